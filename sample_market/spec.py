"""What market to simulate: a frozen, self-validating description."""

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime


class BadMarketSpec(ValueError):
    """A setting of the simulated market is out of range."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        super().__init__(field, value, allowed)
        self.field, self.value, self.allowed = field, value, allowed

    def __str__(self) -> str:
        return f"{self.field} is {self.value!r}, allowed is: {self.allowed}."


MAX_HOURS = 8_400
"""Longest history of one symbol: 350 days, because the table forgets rows after one year."""

MIN_HOURS = 24
"""Shortest history of one symbol."""

USUAL_PRICES = {
    "BTCUSDT": 64_000.0,
    "ETHUSDT": 3_200.0,
    "SOLUSDT": 150.0,
    "XRPUSDT": 0.6,
    "BNBUSDT": 580.0,
    "DOGEUSDT": 0.12,
    "ADAUSDT": 0.45,
    "AVAXUSDT": 28.0,
    "LINKUSDT": 14.0,
    "LTCUSDT": 85.0,
    "DOTUSDT": 6.5,
    "TRXUSDT": 0.13,
}
"""What known symbols begin at, about; the first ones come first."""

_USUAL_SYMBOLS = 4


def symbols_for(rows: int) -> tuple[str, ...]:
    """Names as many symbols as `rows` hourly rows need to stay within a year, at least four.

    Example:
        >>> symbols_for(12_000)
        ('BTCUSDT', 'ETHUSDT', 'SOLUSDT', 'XRPUSDT')
        >>> len(symbols_for(1_000_000))
        120
    """
    return first_symbols(max(_USUAL_SYMBOLS, math.ceil(rows / MAX_HOURS)))


def first_symbols(count: int) -> tuple[str, ...]:
    """Names `count` symbols: the known ones first, then invented ones."""
    invented = (f"ALT{number:03d}USDT" for number in range(1, count + 1))
    return (*USUAL_PRICES, *invented)[:count]


def current_hour() -> datetime:
    """Returns the full hour that has begun last, in UTC."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


@dataclass(frozen=True)
class MarketSpec:
    """A market to simulate; equal specs give equal markets.

    Attributes:
        rows: rows of the frame: symbols times hours.
        symbols: their names; empty means as many as the rows need, at least four.
        labelled_share: share of the rows that carry a label.
        label_error_share: share of the labels that name a plausible but wrong regime.
        seed: of every random number.
        end: the newest hour; without a time zone it is taken as UTC.

    Raises:
        BadMarketSpec: if a value is out of range.
    """

    rows: int = 12_000
    symbols: tuple[str, ...] = ()
    labelled_share: float = 1 / 3
    label_error_share: float = 0.03
    seed: int = 7
    end: datetime = field(default_factory=current_hour)

    def __post_init__(self) -> None:
        """Fills in the symbols, brings `end` to UTC and checks every field."""
        if not self.symbols and self.rows > 0:
            object.__setattr__(self, "symbols", symbols_for(self.rows))
        object.__setattr__(self, "symbols", tuple(self.symbols))
        aware = self.end if self.end.tzinfo else self.end.replace(tzinfo=UTC)
        object.__setattr__(self, "end", aware.astimezone(UTC))
        self._check_symbols()
        self._check_rows()
        self._check_numbers()

    @property
    def hours(self) -> int:
        """Hours of history a symbol needs, the last incomplete one included."""
        return math.ceil(self.rows / len(self.symbols))

    def _check_symbols(self) -> None:
        if self.rows > 0 and len(self.symbols) < 2:
            allowed = "two or more names, because a correlation needs another symbol"
            raise BadMarketSpec("symbols", self.symbols, allowed)
        if len(set(self.symbols)) < len(self.symbols) or not all(map(str.strip, self.symbols)):
            raise BadMarketSpec("symbols", self.symbols, "names that are not empty and all differ")

    def _check_rows(self) -> None:
        count = max(len(self.symbols), 1)
        low, high = MIN_HOURS * count, MAX_HOURS * count
        if not low <= self.rows <= high:
            allowed = (
                f"{low} to {high} for {count} symbols (each has {MIN_HOURS} to {MAX_HOURS} hours; "
                "more rows need more symbols)"
            )
            raise BadMarketSpec("rows", self.rows, allowed)

    def _check_numbers(self) -> None:
        for name in ("labelled_share", "label_error_share"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise BadMarketSpec(name, value, "0 to 1")
        if self.seed < 0:
            raise BadMarketSpec("seed", self.seed, "0 or a greater whole number")
        if (self.end.minute, self.end.second, self.end.microsecond) != (0, 0, 0):
            raise BadMarketSpec("end", self.end.isoformat(), "a full hour")
