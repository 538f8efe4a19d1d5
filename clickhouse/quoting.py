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


def visible(text: str) -> str:
    r"""A text in which a sign that cannot be seen, or turns others round, is written as its escape.

    >>> print(visible("BTC\x1b[31m\u202e"))
    BTC\x1b[31m\u202e
    """
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
