"""What the chat messages say: what a run left behind in, messages out.

The first lines of every message are fixed by the project's contract; details and links stand below
them. Nothing here sends, reads a setting or knows a chat service: `notifications.rendering` writes
a message as a service wants it, `notifications.sender` sends it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from notifications.details import rejected_details, training_details, utc
from notifications.layout import bullets, in_sentence, one_line
from notifications.message import Kind, Link, Links, Message, Picture

Facts = Mapping[str, Any]
"""What another room made, as its `to_dict` gives it."""

COMPLETE_TITLE = "🎯 Regime Detection Model Training Complete"
FAILED_TITLE = "❌ Regime Detection Model {work} Failed"
AWAITED_TITLE = "✋ Regime Detection Model Awaits Approval"
ROLLED_BACK_TITLE = "⏪ Regime Detection Model Rolled Back"
WATCHED_TITLE = "🔎 Regime Detection Model {state}"
_READ_THE_LOG = "Please read the task's log, remove the cause and retry."


def deployed(
    metrics: Facts,
    report: Facts,
    completed: datetime,
    links: Links | None = None,
    pictures: Sequence[Picture] = (),
) -> Message:
    """Tells that the new model is in production.

    Args:
        metrics: of the candidate, with its `decision`, as `metrics.json` has them.
        report: of the data gate.
        completed: when the run was done; without a time zone it is read as UTC.
        links: addresses by name.
        pictures: what goes with it where a chat takes pictures.
    """
    lead = ("Model deployed to production.", "Application will use new model on next restart.")
    head, details = (*_training_head(metrics, completed), *lead), _details(metrics, report)
    return Message("deployed", COMPLETE_TITLE, head, details, known_links(links), tuple(pictures))


def kept(
    metrics: Facts,
    report: Facts,
    completed: datetime,
    links: Links | None = None,
    pictures: Sequence[Picture] = (),
) -> Message:
    """Tells that production keeps its model, and why; takes what `deployed` does."""
    reasons = in_sentence(metrics["decision"]["reasons"]) or "no reason was given"
    lead = (f"Model not deployed: {reasons}.", "Production model unchanged.")
    head = (*_training_head(metrics, completed), *lead)
    details = training_details(metrics, report)
    return Message("kept", COMPLETE_TITLE, head, details, known_links(links), tuple(pictures))


def waiting(metrics: Facts, report: Facts, until: datetime, links: Links | None = None) -> Message:
    """Tells that a model is good enough and waits for a person's yes until a moment."""
    lead = (
        *_numbers(metrics),
        f"⏳ Answer by: {utc(until)}",
        "",
        "Please approve or reject it in Airflow.",
        "Without an answer, production keeps its model.",
    )
    details = _details(metrics, report)
    return Message("waiting", AWAITED_TITLE, lead, details, known_links(links))


def rolled_back(rolled: Facts, completed: datetime, links: Links | None = None) -> Message:
    """Tells which former model is in production again, and where the one it replaced is kept.

    Args:
        rolled: `run_id`, `sha256` and `accuracy` of the model that is in production now; whether
            it has `changed`; the folder of `backup` and, as `replaced`, `run_id` and
            `test_accuracy` of the model before it.
        completed: when it was done; without a time zone it is read as UTC.
        links: addresses by name.
    """
    model = f"The model of run {one_line(rolled['run_id'])} (SHA-256 {rolled['sha256'][:12]}…)"
    lead = (
        "✅ Status: SUCCESS",
        f"📊 Test Accuracy: {_accuracy(rolled['accuracy'])}",
        f"🕐 Completed: {utc(completed)}",
        "",
        *(
            (f"{model} is in production again.", "Application will use it on next restart.")
            if rolled["changed"]
            else (f"{model} was in production already.", "Production model unchanged.")
        ),
    )
    return Message("rolled_back", ROLLED_BACK_TITLE, lead, _replaced(rolled), known_links(links))


def rejected(
    report: Facts,
    links: Links | None = None,
    pictures: Sequence[Picture] = (),
    task_id: str = "check_data",
    after: Sequence[str] = (),
) -> Message:
    """Tells which rules the labelled data breaks and what must be labelled or corrected.

    It takes the report of the data gate, and what `deployed` and `failed` do.
    """
    lead = (
        f"Task: {one_line(task_id)}",
        "Error: Insufficient data quality",
        f"Samples: {report['samples']} (need {report['thresholds']['min_samples']}+)",
        "",
        *report["remedies"],
    )
    title, details = FAILED_TITLE.format(work="Training"), (*after, *rejected_details(report))
    return Message("rejected", title, lead, details, known_links(links), tuple(pictures))


def failed(  # noqa: PLR0913, PLR0917 - each is a line of it
    task_id: str,
    error: str,
    remedy: str | None = None,
    links: Links | None = None,
    work: str = "Training",
    after: Sequence[str] = (),
) -> Message:
    """Tells which task failed with which error, and what to do.

    Args:
        task_id: which one.
        error: why.
        remedy: what to do about it, if known.
        links: addresses by name.
        work: what failed with it, `Training` or `Rollback`.
        after: what stands after the run, as `details.standing` says it.

    >>> print(failed("train_model", "disk full", "Free some space.").text)
    ❌ Regime Detection Model Training Failed
    <BLANKLINE>
    Task: train_model
    Error: disk full
    <BLANKLINE>
    Free some space.
    """
    lead = (
        f"Task: {one_line(task_id)}",
        f"Error: {one_line(error) or 'no error text'}",
        "",
        one_line(remedy or "") or _READ_THE_LOG,
    )
    title = FAILED_TITLE.format(work=work)
    return Message("failed", title, lead, tuple(after), known_links(links))


def killed(reason: str) -> tuple[str, str]:
    """Error and remedy of a task that ended without a word of its own; Airflow's may be empty."""
    why = f": {reason.rstrip('.')}" if reason.strip() else ""
    remedy = (
        "Please look at the worker's memory and log (no memory left and a restarted machine are "
        "the usual causes), then clear the task to retry."
    )
    return f"The task's process was killed{why}", remedy


def timed_out(hours: float | None) -> tuple[str, str]:
    """Error and remedy of a run that was stopped: it took longer than so many hours, if known."""
    allowed = "too long" if hours is None else f"more than {hours:g} hours"
    remedy = "Please see in the log what took so long, remove the cause and retry."
    return f"The run took {allowed} and was stopped", remedy


def watched(turn: Facts, links: Links | None = None) -> Message:
    """Tells what has begun to worry about the model that trades or its data, and what is well.

    Args:
        turn: the `day`; as `worrying` what began to, each with `words` and a `remedy`; as `well`
            the words of what is well again; as `besides` how many things worry that were told.
        links: Addresses by name.

    >>> seen = {"words": "SOLUSDT: no rows on this day", "remedy": "See what writes them"}
    >>> print(watched({"day": "2026-11-27", "worrying": [seen], "well": [], "besides": 0}).text)
    🔎 Regime Detection Model Worrying
    <BLANKLINE>
    🕐 Day: 2026-11-27
    <BLANKLINE>
    ⚠️ SOLUSDT: no rows on this day
    See what writes them.
    <BLANKLINE>
    Production model unchanged.
    """
    worrying, well = turn["worrying"], turn["well"]
    lead = [f"🕐 Day: {one_line(turn['day'])}", ""]
    remedies = dict.fromkeys(one_line(seen["remedy"]) for seen in worrying)
    lead += bullets((seen["words"] for seen in worrying), mark="⚠️")
    lead += [f"{remedy.rstrip('.')}." for remedy in remedies]
    lead += bullets((f"well again: {words}" for words in well), mark="✅")
    besides = turn["besides"]
    others = (f"Worrying besides, and told before: {besides}.",) if besides else ()
    title = WATCHED_TITLE.format(state="Worrying" if worrying else "Well Again")
    lead += ["", "Production model unchanged."]
    kind: Kind = "worrying" if worrying else "well"
    return Message(kind, title, tuple(lead), others, known_links(links))


def _details(metrics: Facts, report: Facts) -> tuple[str, ...]:
    return (*training_details(metrics, report), *bullets(metrics["decision"]["reasons"]))


def _training_head(metrics: Facts, completed: datetime) -> tuple[str, ...]:
    return ("✅ Status: SUCCESS", *_numbers(metrics), f"🕐 Completed: {utc(completed)}", "")


def _numbers(metrics: Facts) -> tuple[str, ...]:
    return (
        f"📊 Test Accuracy: {metrics['test_accuracy']:.1%}",
        f"📈 Training Samples: {metrics['total_samples']}",
    )


def _accuracy(share: float | None) -> str:
    return "not known" if share is None else f"{share:.1%}"


def _replaced(rolled: Facts) -> tuple[str, ...]:
    if not (rolled["changed"] and rolled["backup"]):
        return ()
    replaced = rolled["replaced"] or {}
    run = one_line(replaced.get("run_id") or "that is not known")
    accuracy = _accuracy(replaced.get("test_accuracy"))
    model = f"the model of run {run} (test accuracy {accuracy})"
    return (
        f"It replaced {model}, kept in {rolled['backup']}.",
        "Held: no run replaces it until a person approves one (or python -m ml release).",
    )


def known_links(links: Links | None) -> tuple[Link, ...]:
    """The links whose addresses are known."""
    return tuple(Link(name, address) for name, address in (links or {}).items() if address)
