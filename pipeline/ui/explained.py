"""Explains a DAG where people look at it: texts and buttons on its page and on its tasks'."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from airflow.sdk import DAG, BaseOperatorLink

from pipeline.thresholds import THRESHOLDS, Section
from pipeline.ui.addresses import page_of_run
from pipeline.ui.run_files import docs_of_run, report_of_run

_TEXTS: Final = Path(__file__).parent / "explanations"
_SETTINGS: Final = "{settings}"
_SECTIONS: Final = {
    "check_data": Section.DATA_GATE,
    "train_model": Section.TRAINING,
    "validate_model": Section.PROMOTION_GATE,
}


def explained(dag: DAG) -> DAG:
    """Puts the texts of `explanations/` on a DAG and its tasks, and buttons on those with a page.

    Args:
        dag: what has no text of its name, such as a task of your own, keeps what it says of itself.
    """
    dag.doc_md = _text(dag.dag_id) or dag.doc_md
    tasks: list[Any] = list(dag.tasks)
    for task in tasks:
        section = _SECTIONS.get(task.task_id)
        table = "\n".join(_settings(section)) if section else ""
        task.doc_md = _text(task.task_id).replace(_SETTINGS, table) or task.doc_md
        if task.task_id in _LINKS:
            task.operator_extra_links = _LINKS[task.task_id]
    return dag


class PageLink(BaseOperatorLink):
    """A button on a task's page that leads to a page of its run, if there is one when it ends.

    Args:
        name: what stands on it.
        page: such as `report`.
        found: finds the page of a run, or None; None where the page is not of a run.
    """

    def __init__(self, name: str, page: str, found: Callable[[str], object] | None = None) -> None:
        self._name, self._page, self._found = name, page, found

    @property
    def name(self) -> str:
        """What stands on it."""
        return self._name

    @property
    def xcom_key(self) -> str:
        """Where Airflow keeps the address when the task ends."""
        return f"link_{self._name.lower().replace(' ', '_')}"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The address, empty if there is no page; `ti_key` has the ids of the DAG and the run."""
        if self._found and self._found(ti_key.run_id) is None:
            return ""
        return page_of_run(self._page, ti_key.dag_id, ti_key.run_id)


_REPORT: Final = (PageLink("Report", "report", report_of_run),)
_LINKS: Final = {
    "check_data": (PageLink("Data Docs", "data-docs/run", docs_of_run),),
    **dict.fromkeys(("train_model", "validate_model", "approve_deployment"), _REPORT),
    **dict.fromkeys(("deploy_model", "skip_deployment", "notify_success"), _REPORT),
    "roll_back": (PageLink("Models", "models"),),
    "watch_model": (PageLink("Production", "production"),),
    "replay": (PageLink("Replays", "replays"),),
}


def _text(name: str) -> str:
    file = _TEXTS / f"{name}.md"
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _settings(section: Section) -> Iterator[str]:
    yield "| Variable, and field of the trigger form | default | meaning |"
    yield "| --- | --- | --- |"
    for number in THRESHOLDS.values():
        if number.section is section:
            yield f"| `{number.name}` | {number.default_text} | {number.help} |"
