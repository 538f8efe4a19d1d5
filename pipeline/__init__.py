"""The edge to Airflow: settings, connection, steps, alerts.

Only this package, dags/ and plugins/ import Airflow.
"""

import logging

# Great Expectations writes a hundred INFO lines when it is imported, and the native driver the
# traceback of every refused connection that is reported anyway: both would bury the gate's report.
logging.getLogger("great_expectations").setLevel(logging.WARNING)
logging.getLogger("clickhouse_driver").setLevel(logging.CRITICAL)
