"""How our pages look, in Airflow's frame and as files, and what they may load and run."""
