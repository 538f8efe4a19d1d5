"""When a message that was not taken is tried again, and when no further try can help.

Apprise repeats a delivery, and knows which of a service's chats have taken it, but it pauses the
same short time each time and reads no answer. So it is told not to pause, and each of its tries
but the first begins here.
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

PAUSES: Final = (2.0, 10.0, 25.0, 55.0)
"""Seconds before each further try."""
WITHIN: Final = 120.0
"""Seconds that all tries of a channel take at most."""

_A_TRY: Final = 20.0
"""Seconds that a try takes at most, but for rare exceptions: to connect, and to answer."""
_STATUS: Final = re.compile(r"error=(\d+)")
_LATER: Final = re.compile(r"retry.after\W+(\d+)", re.IGNORECASE)
_UNANSWERED: Final = re.compile(r"connection error", re.IGNORECASE)
_REFUSED: Final = frozenset({"400", "401", "403", "404", "410", "413"})
# Such as (535, b'5.7.8 Authentication failed'): SMTP's first digit says that it is for good.
_SMTPS_NO: Final = re.compile(r"\b5\d\d,? b['\"]")
# Slack's bot answers 200 to everything and says here what it thinks of it.
_SLACKS_NO: Final = re.compile(
    r'"error": ?"(?!internal_error|fatal_error|rate_?limited|request_timeout|service_unavailable)'
)


class Time:
    """The seconds that are left for a channel, its text and its pictures.

    Args:
        seconds: how many there are.
        sleep: waits.
    """

    def __init__(self, seconds: float, sleep: Callable[[float], object]) -> None:
        self._left = seconds
        self._sleep = sleep

    def wait(self, seconds: float) -> bool:
        """Waits, if a try fits in afterwards; says whether it does."""
        if seconds + _A_TRY > self._left:
            return False
        self._left -= seconds
        self._sleep(seconds)
        return True

    @contextmanager
    def spent(self) -> Iterator[None]:
        """Counts what the block takes."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._left -= time.monotonic() - began


class Patience:
    """Stands before a plug-in's `notify` and lets tries wait, or end.

    Args:
        notify: the plug-in's own.
        reasons: why the try before did not succeed, as the log tells; emptied for each try.
        pauses: seconds before each further try.
        left: the time there is.
    """

    def __init__(
        self,
        notify: Callable[..., bool],
        reasons: list[str],
        pauses: Sequence[float],
        left: Time,
    ) -> None:
        self._notify = notify
        self._reasons = reasons
        self._pauses = iter(pauses)
        self._time = left
        self._is_first = True

    def __call__(self, **what: Any) -> bool:
        """Makes a try, after its pause; False without one if none is left or none can help."""
        if not self._is_first:
            pause = next(self._pauses, None)
            if pause is None or is_final(self._reasons):
                return False
            if not self._time.wait(max(pause, asked_pause(self._reasons))):
                return False
            self._reasons.clear()
        self._is_first = False
        with self._time.spent():
            return self._notify(**what)


def is_final(reasons: Sequence[str]) -> bool:
    """Whether a service's answers say no for good: a wrong token, an unknown chat.

    >>> is_final(["Failed to send: Unauthorized, error=401."])
    True
    >>> is_final(["Socket Exception: (535, b'5.7.8 Authentication failed')"])
    True
    >>> is_final(["Failed to send to a: error=401.", "Failed to send to b: error=500."])
    False
    """
    told = " ".join(reasons)
    if _SMTPS_NO.search(told):
        return True
    statuses = set(_STATUS.findall(told))
    if _SLACKS_NO.search(told):
        statuses.discard("200")
    elif not statuses:
        return False
    return statuses <= _REFUSED and not _UNANSWERED.search(told)


def asked_pause(reasons: Sequence[str]) -> float:
    """Seconds that a service asks to wait, 0 if it asks for none.

    Telegram writes it into its answer. Slack's is a header, which Apprise does not show.

    >>> asked_pause(["Too Many Requests: retry after 35, error=429."])
    35.0
    """
    asked = _LATER.findall(" ".join(reasons))
    return max(map(float, asked), default=0.0)
