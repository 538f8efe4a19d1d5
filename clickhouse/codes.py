"""The error codes of ClickHouse: which may pass by themselves, and what to do about the others.

Sorted from the server's own list (`errorCodeToName`); docs/clickhouse.md has all of them by name.
"""

import re
from typing import Final

_NETWORK: Final = (
    *(32, 33, 86, 95, 96, 198, 203, 209, 210, 279, 295, 297, 319, 364, 410, 499, 500, 519, 530),
    *(614, 659, 660, 665, 693, 707, 737, 751, 900, 901, 903, 904, 905, 1000, 1009, 1015, 1018),
)
_OVERLOAD: Final = (
    *(159, 160, 202, 216, 236, 252, 341, 373, 384, 394, 439, 473, 574, 650, 667, 677, 695, 696),
    *(700, 710, 722, 733, 735, 738, 745, 749, 762, 775, 776, 780, 1008, 1017, 1019),
)
_MEMORY: Final = (173, 241, 777, 778, 1020)
_REPLICAS: Final = (
    *(224, 225, 234, 242, 244, 254, 255, 265, 280, 285, 286, 289, 308, 369, 415, 416, 529, 568),
    *(571, 709, 999, 1005),
)
PASSING: Final = frozenset((*_NETWORK, *_OVERLOAD, *_MEMORY, *_REPLICAS))
"""What the network, the load, the memory of the moment, or replicas and Keeper bring about."""

_OWN_MEMORY: Final = re.compile(r"\(for query\)|Query memory limit")

_COLUMN: Final = "the column does not exist: compare the table with clickhouse/schema.sql"
_LIMIT: Final = (
    "raise the limit that is named above in the profile of the Connection's user, or in an extra "
    "of the Connection"
)
_ROWS: Final = (
    "raise max_rows_to_read, max_rows_to_group_by or what else is meant above (or that in bytes) "
    "in the profile of the Connection's user"
)
_RIGHT: Final = "grant the user the right that is named above"
_SETTING: Final = (
    "let the profile's constraints of the Connection's user allow that setting, or give it there "
    "the value that is asked for"
)
_TYPE: Final = "give the column that is named above its type of clickhouse/schema.sql"
_SPACE: Final = "free space where the server keeps its data, then clear the task"

REMEDIES: Final = {
    8: _COLUMN,
    16: _COLUMN,
    47: _COLUMN,
    43: _TYPE,
    53: _TYPE,
    70: _TYPE,
    386: _TYPE,
    60: "create it (clickhouse/schema.sql), or correct the schema of the Connection",
    81: "create the database, or correct the schema of the Connection",
    115: "correct the name of that extra of the Connection, or take it out",
    158: _ROWS,
    161: _LIMIT,
    167: _LIMIT,
    168: _LIMIT,
    191: "raise max_rows_in_set, max_rows_in_distinct or max_rows_in_join (or that in bytes) in "
    "the profile of the Connection's user",
    290: _LIMIT,
    307: _ROWS,
    396: "raise max_result_rows, max_rows_to_sort or max_rows_to_transfer (or that in bytes) in "
    "the profile of the Connection's user",
    241: "raise max_memory_usage in the profile of the Connection's user, or let it spill to disk "
    "(max_bytes_before_external_group_by, max_bytes_before_external_sort)",
    164: "give the user the right to write to the snapshot database (readonly = 0)",
    192: "correct the login of the Connection",
    193: "correct the password of the Connection",
    194: "correct the password of the Connection",
    516: "correct login and password of the Connection",
    720: "extend the time until which the Connection's user is valid",
    767: "use a user without a second factor, which a task cannot give",
    195: "allow this worker's address for the Connection's user",
    201: "raise the quota of the Connection's user, or wait until its interval ends",
    243: _SPACE,
    277: "set force_index_by_date and force_primary_key to 0 in the profile of the user",
    291: _RIGHT,
    497: _RIGHT,
    673: _RIGHT,
    359: "drop the snapshot that is named above by hand, or raise max_table_size_to_drop",
    392: "let the user create tables in the snapshot database (allow_ddl = 1)",
    452: _SETTING,
    471: "correct the value of that extra of the Connection",
    472: _SETTING,
    620: "put a table between the stream and the pipeline, filled by a materialized view",
    724: "drop tables that nobody needs, or raise max_table_num_to_throw",
    725: "drop databases that nobody needs, or raise max_database_num_to_throw",
    774: "let the pipeline's snapshots be written elsewhere (SNAPSHOT_DATABASE)",
    1016: _SPACE,
}
"""What a person can do about codes that do not pass."""

_OTHERWISE: Final = (
    "correct what ClickHouse names above (the table, the rights or settings of the Connection's "
    "user, the server), then clear the task"
)


def may_pass(code: int, line: str) -> bool:
    """Whether repeating the query may help.

    >>> may_pass(241, "Code: 241. DB::Exception: (total) memory limit exceeded: would use 9 GiB")
    True
    >>> may_pass(241, "Code: 241. DB::Exception: Query memory limit exceeded: would use 9 GiB")
    False
    """
    # A query that needs more than its own limit needs that again.
    return code in PASSING and not (code == 241 and _OWN_MEMORY.search(line))


def remedy_of(code: int) -> str:
    """What to do about an error that does not pass."""
    return REMEDIES.get(code, _OTHERWISE)
