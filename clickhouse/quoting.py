"""Names and texts as ClickHouse SQL."""


def quoted(identifier: str) -> str:
    r"""Quotes a ClickHouse identifier.

    >>> quoted("a`b")
    '`a\\`b`'
    """
    escaped = identifier.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def quote(value: str) -> str:
    r"""Quotes a text.

    >>> quote("it's")
    "'it\\'s'"
    """
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
