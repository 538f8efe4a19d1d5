"""The one door through which JSON comes in and goes out: a file can hold anything, ours do not.

What comes in is plain JSON that can be written again: no NaN, no number that is none, no half
character. Whether it has the fields that somebody needs is asked by those who need them.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, Final

_DEEPEST: Final = 64
_LARGEST: Final = 2**63


def read_json(content: bytes | str | None) -> Any:
    """Reads JSON, whatever it is: in any encoding of Unicode, cut short, or no JSON at all.

    Args:
        content: of a file; None if there is none.

    Returns:
        The value, None if nothing can be read. What is no number (NaN, infinity, more than 64
        bits) is None within it, and half of a surrogate pair a question mark.

    >>> read_json(b'{"accuracy": NaN, "rows": 12}')
    {'accuracy': None, 'rows': 12}
    >>> read_json(b"[" * 100_000), read_json(b'{"cut": '), read_json(None)
    (None, None, None)
    """
    try:
        return _plain(json.loads(content or b"null"))
    except (ValueError, RecursionError):
        return None


def read_object(content: bytes | str | None) -> dict[str, Any] | None:
    """Reads a JSON object; None if it is something else, or cannot be read."""
    found = read_json(content)
    return found if isinstance(found, dict) else None


def as_json(content: Mapping[str, Any]) -> bytes:
    """An object as it is kept: readable, and never with NaN, which is no JSON.

    Raises:
        ValueError: if there is one.
    """
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    return f"{text}\n".encode(errors="replace")


def _plain(value: Any, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_plain(name): _plain(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, depth + 1) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or -_LARGEST <= value < _LARGEST else None
