"""What a user's profile could do to an answer, and the values that keep every answer whole.

A profile may cut, reorder, reformat or reinterpret what a query returns, without an error. Each
connection asks once which of these settings its server knows and how they stand, and from then on
sends those that stand otherwise with every query; what a profile forbids to change is an error
that names the setting. Limits that raise an error are left as they are.
"""

from collections.abc import Mapping
from typing import Final

from clickhouse.quoting import quote

_WHOLE: Final = {
    "limit": "0",
    "offset": "0",
    "filter": "",
    "additional_table_filters": "{}",
    "additional_result_filter": "",
    "read_overflow_mode": "throw",
    "read_overflow_mode_leaf": "throw",
    "result_overflow_mode": "throw",
    "group_by_overflow_mode": "throw",
    "sort_overflow_mode": "throw",
    "distinct_overflow_mode": "throw",
    "set_overflow_mode": "throw",
    "join_overflow_mode": "throw",
    "transfer_overflow_mode": "throw",
    "timeout_overflow_mode": "throw",
    "timeout_overflow_mode_leaf": "throw",
    "skip_unavailable_shards": "0",
    "optimize_skip_unused_shards": "0",
    "distributed_group_by_no_merge": "0",
    "enable_parallel_replicas": "0",
    "allow_experimental_parallel_reading_from_replicas": "0",
    "parallel_replicas_custom_key": "",
    "empty_result_for_aggregation_by_empty_set": "0",
}
"""Nothing is cut off: no rows, no shards, no replicas."""

_NEWEST: Final = {
    "do_not_merge_across_partitions_select_final": "0",
    "use_skip_indexes_if_final": "0",
    "optimize_move_to_prewhere_if_final": "0",
    "query_plan_optimize_lazy_final": "0",
    "apply_deleted_mask": "1",
    "apply_patch_parts": "1",
    "use_query_cache": "0",
}
"""The newest version of a row counts, deleted and updated rows are so, and no answer is old."""

_MEANT: Final = {
    "sort": "",
    "aggregate_functions_null_for_empty": "0",
    "join_use_nulls": "0",
    "group_by_use_nulls": "0",
    "transform_null_in": "0",
    "prefer_column_name_to_alias": "0",
    "enable_positional_arguments": "1",
    "data_type_default_nullable": "0",
    "cast_keep_nullable": "0",
    "session_timezone": "",
}
"""The SQL means what it says by default."""

_READABLE: Final = {
    "extremes": "0",
    "date_time_output_format": "simple",
    "format_tsv_null_representation": r"\N",
    "output_format_tsv_crlf_end_of_line": "0",
    "output_format_float_precision": "0",
    "framing_output_format": "None",
}
"""The answer is written as the drivers read it."""

SAFE: Final[Mapping[str, str]] = {**_WHOLE, **_NEWEST, **_MEANT, **_READABLE}
"""The value of each setting with which an answer is whole, true and readable."""

_ASKED_WITH: Final = {
    name: SAFE[name]
    for name in (
        *("limit", "offset", "extremes", "use_query_cache", "additional_result_filter"),
        *("read_overflow_mode", "result_overflow_mode", "timeout_overflow_mode"),
    )
}
"""Without these the answer to the question itself could be cut; every server knows them."""

QUESTION: Final = (
    "SELECT arrayStringConcat(groupArray(concat(name, '=', value)), '\n') FROM system.settings "
    f"WHERE name IN ({', '.join(map(quote, SAFE))}) "
    "SETTINGS "
    + ", ".join(f"{k} = {v if v.isdigit() else quote(v)}" for k, v in _ASKED_WITH.items())
)
"""SQL of one text: the settings of `SAFE` that the server knows, with their values now."""


def guards(answer: str) -> dict[str, str]:
    r"""Says which settings must be sent with each query, by the answer to `QUESTION`.

    >>> guards("join_use_nulls=1\ntransform_null_in=0")["join_use_nulls"]
    '0'
    """
    standing = dict(line.split("=", maxsplit=1) for line in answer.split("\n"))
    other = {name: SAFE[name] for name, value in standing.items() if value != SAFE[name]}
    return _ASKED_WITH | other
