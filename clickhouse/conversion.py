"""Which columns are converted while they are frozen, and how: only where nothing is lost.

A value that has no place in its new type stays visible as one that a rule of the gate refuses: a
NULL number becomes NaN, a time outside of what DateTime holds its first or last second.
"""

import re
from typing import Final, Literal

from clickhouse.quoting import quoted

Role = Literal["text", "time", "number"]

_WRAPPED: Final = re.compile(
    r"^(LowCardinality|Nullable|SimpleAggregateFunction)\((?:\w+, )?(.*)\)$"
)
_TEXTS: Final = re.compile(r"^(String|FixedString\(\d+\)|Enum\d+\(.*\)|UUID|U?Int\d+)$")
_NUMBERS: Final = re.compile(r"^(U?Int\d+|Float\d+|BFloat16|Decimal.*|Bool)$")
_SECONDS: Final = (
    (r"^DateTime64\(", "intDiv(toUnixTimestamp64Milli({}), 1000)"),
    (r"^DateTime\b", "toInt64({})"),
    (r"^Date(32)?$", "toInt64(toInt32({})) * 86400"),
    (r"^U?Int(32|64)$", "toInt64({})"),
)
_LAST: Final = 2**32 - 1


def converted(column: str, kind: str, role: Role) -> str | None:
    """SQL of a column in the type that its role asks for; None where it needs none or has none.

    Args:
        column: its name.
        kind: its ClickHouse type.
        role: a text becomes `String`, a time `DateTime`, a number that is neither `Float64` nor
            `UInt8` a `Float64`.

    >>> converted("adx", "Nullable(Float32)", "number")
    'ifNull(toFloat64(`adx`), nan)'
    >>> converted("adx", "Float64", "number")
    >>> converted("regime_label", "LowCardinality(Nullable(String))", "text")
    "ifNull(toString(`regime_label`), '')"
    """
    bare, nullable, name = kind, False, quoted(column)
    while found := _WRAPPED.match(bare):
        nullable = nullable or found.group(1) == "Nullable"
        bare = found.group(2)
    if role == "text":
        if not _TEXTS.match(bare) or (bare == "String" and not nullable):
            return None
        as_text = "toStringCutToZero" if bare.startswith("Fixed") else "toString"
        return f"ifNull({as_text}({name}), '')"
    if role == "number":
        kept = bare in {"Float64", "UInt8"} and kind == bare
        return None if kept or not _NUMBERS.match(bare) else f"ifNull(toFloat64({name}), nan)"
    if bare.startswith("DateTime") and not bare.startswith("DateTime64") and not nullable:
        return None
    for pattern, seconds in _SECONDS:
        if re.match(pattern, bare):
            inside = f"greatest(0, least({_LAST}, ifNull({seconds.format(name)}, 0)))"
            return f"toDateTime(toUInt32({inside}))"
    return None
