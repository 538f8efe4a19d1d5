"""What comes from the data, as it is shown: never long, and with nothing that cannot be seen."""

from typing import Final

_LONGEST: Final = 60


def shown(value: str) -> str:
    r"""A text of a row for logs, pages, XComs and chat; as it is, if it is short and visible.

    A blank at an end, an escape sequence, a right-to-left mark or an empty text is written as
    Python writes it. No more than the beginning of a long text is looked at.

    >>> print(shown("range"), shown("range "), shown("a\x1b[31m"))
    range 'range ' 'a\x1b[31m'
    >>> shown("x" * 1_000_000)[55:]
    'xxxxx… (1,000,000 characters)'
    """
    begin = value[:_LONGEST]
    visible = begin if begin.isprintable() and begin == begin.strip() and begin else repr(begin)
    return visible if len(value) <= _LONGEST else f"{visible}… ({len(value):,} characters)"
