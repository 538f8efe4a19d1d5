"""The task `choose_backup`: which former model comes back; a person chooses, if the run asks.

A form is made when the DAG file is parsed and can list nothing that is not known then, so the list
stands in a question that Airflow asks while the run waits.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowSkipException

KEEP: Final = "Keep production"
CHOICE_WAIT: Final = timedelta(hours=12)
"""How long the list stays open; after that, production keeps its model."""


def rollback_form() -> dict[str, Param]:
    """The fields of the trigger form."""
    section = "Which model comes back"
    hours = CHOICE_WAIT // timedelta(hours=1)
    return {
        "to": Param(
            None,
            type=["null", "string"],
            title="Backup",
            description="Name of a folder in backups/. Empty: the newest that is sound.",
            section=section,
        ),
        "why": Param(
            None,
            type=["null", "string"],
            title="Why",
            description="Shown wherever the hold is: no run replaces the model until a person "
            "approves one.",
            section=section,
        ),
        "ask": Param(
            False,
            type="boolean",
            title="Show me the list and let me choose",
            description=f"Waits up to {hours} hours under Required Actions.",
            section=section,
        ),
    }


class BackupChoice(HITLOperator):
    """Gives the name of the backup: as the form says, as a person chooses, or the newest.

    It is settled before anything changes: "the newest" means another backup after a rollback, so a
    repeated `roll_back` would undo itself.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            subject="Which model shall be production again?",
            options=[KEEP],
            defaults=KEEP,
            response_timeout=CHOICE_WAIT,
            **kwargs,
        )

    def execute(self, context: Any) -> Any:
        """Names the backup, or asks and parks the task until there is an answer."""
        params, backups = context["params"], _listed(context)
        if params["to"]:
            return params["to"]
        if not (params["ask"] and backups):
            sound = [kept["backup"] for kept in backups if not kept["problem"]]
            return next(iter(sound), backups[0]["backup"] if backups else None)
        self.options = _options(backups)
        self.body = question(backups)
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> str:
        """Names the backup that was chosen.

        Raises:
            AirflowSkipException: if production keeps its model.
        """
        self.options = _options(_listed(context))
        chosen: str = super().execute_complete(context, event)["chosen_options"][0]
        if chosen == KEEP:
            raise AirflowSkipException("Production model unchanged: no backup was chosen.")
        return chosen


def question(backups: Sequence[Mapping[str, Any]]) -> str:
    """The backups as a table in Markdown, newest first."""
    from ml.words import number, percent, when

    rows = (
        f"| {kept['backup']} | {percent(kept['accuracy'])} | {number(kept['run_id'])} "
        f"| {when(kept['deployed_at'])} | {kept['problem'] or 'agrees with its metrics'} |"
        for kept in backups
    )
    head = ("| backup | accuracy | run | went live | digest |", "| --- | --- | --- | --- | --- |")
    return "\n".join((*head, *rows))


def _listed(context: Any) -> list[dict[str, Any]]:
    listed: dict[str, Any] = context["ti"].xcom_pull(task_ids="list_backups")
    return list(listed["backups"])


def _options(backups: Sequence[Mapping[str, Any]]) -> list[str]:
    return [*(str(kept["backup"]) for kept in backups), KEEP]
