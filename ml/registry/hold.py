"""The hold that a rollback leaves: no run replaces what a person put back, until a person says so.

It stands in a file beside production, names both models, and ends with an approved deployment or
when it is lifted. Whoever deploys asks for it; `ml.registry.deployment` leaves and ends it.
"""

import getpass
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from ml.json_files import as_json, read_object
from ml.registry.models import ModelsDir, open_store
from ml.registry.names import PRODUCTION
from ml.registry.store import Store
from ml.words import visible, when

HOLD: Final = "hold.json"
_LIFT: Final = "`python -m ml release` lifts the hold"


@dataclass(frozen=True)
class Hold:
    """A person's word that a model stays in production.

    Attributes:
        at: when it was put back, ISO 8601 UTC.
        by: who did it, as far as that is known.
        why: their reason; empty if none was given.
        kept_sha256: hex digest of the model that was put back.
        removed_sha256: of the model that was taken out; None if there was none.
    """

    at: str
    by: str
    why: str
    kept_sha256: str
    removed_sha256: str | None

    def __str__(self) -> str:
        why = f" ({self.why})" if self.why else ""
        day = when(self.at) if self.at else "a day that is not known"
        return visible(f"production was put back by hand on {day} by {self.by}{why}")


def read_hold(models_dir: ModelsDir) -> Hold | None:
    """The hold on what is in production now; None if there is none.

    A hold on another model is none: that rollback was stopped half way, or a person has approved
    another model since. A file that cannot be read holds, for nobody knows what it says.
    """
    store = open_store(models_dir)
    content = store.read(HOLD)
    if content is None:
        return None
    told, production = read_object(content), store.digest(PRODUCTION)
    if production is None:
        return None
    if told is None:
        return Hold("", "somebody", f"{HOLD} is damaged", "", None)
    if told.get("lifted_at") or told.get("kept_sha256") != production:
        return None
    texts = {name: str(told.get(name) or "") for name in ("at", "by", "why", "kept_sha256")}
    removed = told.get("removed_sha256")
    return Hold(**texts, removed_sha256=str(removed) if removed else None)


def held(models_dir: ModelsDir, candidate_sha256: str) -> Iterator[str]:
    """Why a candidate needs a person's yes, if a hold stands."""
    hold = read_hold(models_dir)
    if hold:
        same = candidate_sha256 == hold.removed_sha256
        this = ", and this is the very model that was taken out" if same else ""
        yield f"{hold}{this}; a person's approval deploys it, {_LIFT}"


def put_hold(store: Store, hold: Hold) -> None:
    """Writes a hold into a store that is locked."""
    store.write(HOLD, as_json(asdict(hold)))


def end_hold(store: Store, now: datetime, by: str) -> dict[str, Any] | None:
    """Ends a hold in a store that is locked; gives what it said, None if there was none."""
    content = store.read(HOLD)
    told = read_object(content)
    if content is None or (told and told.get("lifted_at")):
        return None
    ended = {"lifted_at": now.astimezone(UTC).isoformat(timespec="seconds"), "lifted_by": by}
    store.write(HOLD, as_json((told or {}) | ended))
    return told or {}


def release(models_dir: ModelsDir, now: datetime, by: str | None = None) -> Hold | None:
    """Lifts the hold, so that runs deploy by themselves again.

    Args:
        models_dir: MODELS_DIR.
        now: with a time zone.
        by: who lifts it; None for the user of this process.

    Returns:
        The hold that stood; None if there was none.
    """
    store = open_store(models_dir)
    with store.locked():
        stood = read_hold(store)
        end_hold(store, now, by or local_user())
    return stood


def local_user() -> str:
    """The user of this process; a container may have one without a name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "a user without a name"
