"""The task `approve_deployment`: a person's yes or no before a model goes live, if one is wanted.

Airflow asks and keeps the answer; while it waits, the task holds neither a worker nor a slot. Here
stands what is asked, what an answer makes of the decision, and which task follows.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from airflow.providers.standard.operators.hitl import HITLBranchOperator
from airflow.sdk import BaseNotifier, Param

from ml.words import points
from pipeline.dag_defaults import MODEL
from pipeline.settings import Settings
from pipeline.ui.addresses import page_of_run

_PAGES: Final = {"Report": "report", "Data Docs": "data-docs/run"}
_TEST_USER: Final = "dag_test"
"""Who starts the runs of `airflow dags test`, in which nobody can answer."""
APPROVE: Final = "Approve"
REJECT: Final = "Reject"
APPROVAL_WAIT: Final = timedelta(days=3)
"""How long a question stays open; after that, production keeps its model."""


def require_approval() -> Param:
    """The switch of the trigger form; what has no section there is open."""
    return Param(
        False,
        type="boolean",
        title="Ask a person before the model is deployed",
        description=f"Waits up to {APPROVAL_WAIT.days} days for an answer under Required Actions.",
    )


def release_hold() -> Param:
    """The switch of the trigger form that lifts the hold of a rollback."""
    return Param(
        False,
        type="boolean",
        title="Lift the hold of a rollback",
        description="This run's model, and later ones, may replace what was put back by hand.",
    )


def on_doubt(settings: Settings, params: Mapping[str, Any], dag_run: Any) -> str:
    """What happens where the rule wants a person: `ask`, or `keep` production at once."""
    unattended = is_test(dag_run) and not params["require_approval"]
    return settings.on_doubt or ("keep" if unattended else "ask")


def former_place(inlet_events: Any, dag_run: Any) -> str | None:
    """Address of the production file that the last change of production wrote.

    Every deployment and rollback makes an event of the asset that names it. A run of `airflow dags
    test` asks for none: it may be tried in a folder of its own.
    """
    if is_test(dag_run):
        return None
    newest = list(inlet_events[MODEL].ascending(False).limit(1))
    return newest[0].extra.get("path") if newest else None


def is_test(dag_run: Any) -> bool:
    """Whether a run is one of `airflow dags test`."""
    return getattr(dag_run, "triggering_user_name", None) == _TEST_USER


class ModelApproval(HITLBranchOperator):
    """Asks whether a model that passed the promotion rule goes live, if run or rule want it asked.

    Args:
        approved: task that follows a yes, or a run in which nobody is asked.
        rejected: task that follows a no, or no answer.
    """

    def __init__(self, *, approved: str, rejected: str, **kwargs: Any) -> None:
        super().__init__(
            subject="Shall the new regime model replace production?",
            options=[APPROVE, REJECT],
            defaults=REJECT,
            options_mapping={APPROVE: approved, REJECT: rejected},
            response_timeout=APPROVAL_WAIT,
            notifiers=[_TellOfQuestion()],
            **kwargs,
        )

    def execute(self, context: Any) -> Any:
        """Passes, or asks and parks the task until there is an answer."""
        ruled = _ruled(context["ti"])
        if not (context["params"]["require_approval"] or ruled.get("doubts")):
            return self.do_branch(context, self.options_mapping[APPROVE])
        ti = context["ti"]
        pages = {name: page_of_run(page, ti.dag_id, ti.run_id) for name, page in _PAGES.items()}
        self.body = question(ruled, datetime.now(UTC) + APPROVAL_WAIT, pages)
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """Keeps the answer in the decision and branches by it."""
        decision = answered(_ruled(context["ti"]), event)
        context["ti"].xcom_push(key="decision", value=decision)
        self.log.info("%s", decision["reasons"][0])
        return super().execute_complete(context, event)


class _TellOfQuestion(BaseNotifier):
    """Tells the chat of the question; Airflow calls it when the question can be answered."""

    def notify(self, context: Any) -> None:
        from pipeline.tasks import notify_success
        from pipeline.ui.addresses import links_of_task

        ti = context["ti"]
        # Airflow's own link to this page loses a path in base_url.
        page = f"{ti.log_url.partition('?')[0]}/required_actions"
        notify_success.ask_for_approval(
            ti.xcom_pull(task_ids="check_data")["report"],
            ti.xcom_pull(task_ids="train_model"),
            _ruled(ti),
            {"Approve or reject": page, **links_of_task(ti)},
            datetime.now(UTC) + APPROVAL_WAIT,
        )


def decision_of(ti: Any) -> dict[str, Any]:
    """The run's decision: the promotion rule's, with a person's answer if there is one."""
    rule = _ruled(ti)
    # An answer to an earlier attempt stays in the database when this attempt never asked.
    answer = ti.xcom_pull(task_ids="approve_deployment", key="decision") if rule["deploy"] else None
    return answer or rule


def question(
    decision: Mapping[str, Any], until: datetime, pages: Mapping[str, str] | None = None
) -> str:
    """Both models' numbers with reasons and notes, and the question's end in UTC, in Markdown."""
    lines = (
        "| model | accuracy | rows |",
        "| --- | --- | --- |",
        f"| candidate | {decision['accuracy']:.2%} | {decision['holdout_samples']} |",
        *_compared_rows(decision),
    )
    reasons = (f"- {reason}" for reason in decision["reasons"])
    notes = (f"- ⚠️ {note}" for note in decision["notes"])
    links = " · ".join(f"[{name}]({address})" for name, address in (pages or {}).items())
    ends = f"Without an answer by {until:%a %d %b %H:%M} UTC production keeps its model. {links}"
    change = ("", *decision["change"]) if decision.get("change") else ()
    yes = ("", *_difference(decision), *change, "", "The promotion rule says yes:", "")
    return "\n".join((*lines, *yes, *reasons, *notes, "", ends.rstrip()))


def _difference(decision: Mapping[str, Any]) -> tuple[str, ...]:
    compared = decision["comparison"]
    if not compared:
        return ()
    interval = compared["difference_interval"]
    ends = f" (95%: {points(interval[0])} to {points(interval[1])})" if interval else ""
    return (f"Difference: **{points(compared['difference'])} points**{ends}",)


def answered(decision: Mapping[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:
    """The rule's yes after an answer, as Airflow records it, or after none came in time."""
    approved = event["chosen_options"] == [APPROVE]
    who = (event.get("responded_by_user") or {}).get("name")
    approval = {"approved": approved, "by": who, "at": event["responded_at"].isoformat()}
    if approved:
        reasons = [f"approved by {who}", *decision["reasons"]]
    else:
        verb = f"nobody approved it within {APPROVAL_WAIT.days} days" if who is None else ""
        reasons = [f"{verb or f'rejected by {who}'}, although {_numbers(decision)}"]
        reasons += [f"a person was asked because {doubt}" for doubt in decision.get("doubts", ())]
    return {**decision, "deploy": approved, "reasons": reasons, "approval": approval}


def _ruled(ti: Any) -> dict[str, Any]:
    decision: dict[str, Any] = ti.xcom_pull(task_ids="validate_model", key="decision")
    return decision


def _compared_rows(decision: Mapping[str, Any]) -> tuple[str, ...]:
    compared = decision["comparison"]
    if not compared:
        return ("| production | not scored | |",)
    return (
        f"| candidate, compared | {compared['candidate_accuracy']:.2%} | {compared['rows']} |",
        f"| production, compared | {compared['production_accuracy']:.2%} | {compared['rows']} |",
    )


def _numbers(decision: Mapping[str, Any]) -> str:
    compared = decision["comparison"]
    if not compared:
        return f"accuracy {decision['accuracy']:.2%} passed the promotion rule"
    return (
        f"accuracy {compared['candidate_accuracy']:.2%} is better than production's "
        f"{compared['production_accuracy']:.2%} on the same {compared['rows']} rows"
    )
