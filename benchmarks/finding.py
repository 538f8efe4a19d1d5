"""What a person wants to know on a Sunday: clicks from the chat's message, and seconds to find it.

    python -m benchmarks.finding

A real Airflow after a deployment, a replaced model, a kept candidate and a rejected run, and a
real browser that is logged in. A link of the message opens a page; each further click follows.
Seconds are those until the answer is drawn, and those to read, four words a second, what stands
before it on the screen: all of it where one has to scroll. Decision 023 has the table.
"""

import time
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from tabulate import tabulate

# mypy takes the folder of that name for the module.
from docs.screenshots import DAG, Camera, camera, demo  # type: ignore[attr-defined]

WIDTHS: Final = {1400: 900, 390: 844}
_WORDS_A_SECOND: Final = 4


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        words: the question.
        link: the link of the message that is clicked first, by its address below ours.
        answer: where the answer stands, as a selector.
        clicks: links that are clicked on the way, as selectors.
    """

    words: str
    link: str
    answer: str
    clicks: tuple[str, ...] = ()


QUESTIONS: Final = (
    Question("what the last run came to, and why", "models", "#last .reasons li"),
    Question("which model is live, and since when", "models", "#production .meaning"),
    Question("how good it is", "models", "#production .meaning"),
    Question("which rows the gate wants corrected", "data-docs/run?{rejected}", ".examples td"),
    Question("why a model was kept", "report?{kept}", ".verdict .reasons li"),
    Question(
        "when, on which regime it is wrong", "report?{kept}", "#strips svg", ('a[href="#strips"]',)
    ),
    Question("its worst errors", "report?{kept}", "#worst td", ('a[href="#worst"]',)),
    Question("labels that look wrong", "report?{kept}", "#suspects td", ('a[href="#suspects"]',)),
    Question("the model's file", "models", 'a[href="production/model"]'),
    Question("how to go back", "models", "#backups .pick", ('a[href="#backups"]',)),
    Question("which rows to label next", "label-next", "h1"),
    Question("how the live model does, day by day", "models", "#now h1", ('a[href="production"]',)),
)

_BEFORE: Final = """(answer) => {
  const seen = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let words = 0;
  while (seen.nextNode()) {
    const text = seen.currentNode, around = text.parentElement;
    if (answer.contains(text) || answer.compareDocumentPosition(text) & 4) break;
    if (!around.checkVisibility() || around.closest('style, script, .skip')) continue;
    // What lies above the top edge has been passed by a click.
    const passed = around.getBoundingClientRect().bottom <= 0;
    words += passed ? 0 : text.data.split(/\\s+/).filter(Boolean).length;
  }
  const place = answer.getBoundingClientRect();
  return [words, place.top >= 0 && place.top + Math.min(place.height, 24) <= innerHeight];
}"""


def main() -> None:
    """Asks all of them at both widths."""
    with demo() as (airflow, deployed), camera(airflow) as view:
        runs = {"deployed": deployed, **_others(airflow)}
        for width, height in WIDTHS.items():
            rows = [_asked(view, question, runs, width, height) for question in QUESTIONS]
            print(f"{width} pixels wide")
            print(
                tabulate(
                    rows, ("question", "clicks", "s to draw", "words before", "s to find", "scroll")
                )
            )


def _others(airflow: Any) -> dict[str, str]:
    """The ids of the kept run and of one that the data gate rejects."""
    kept = airflow.get(f"dags/{DAG}/dagRuns?order_by=-id&limit=1")["dag_runs"][0]["dag_run_id"]
    rejected = airflow.trigger(DAG, max_class_share=0.1)
    airflow.finished(DAG, rejected)
    return {"kept": kept, "rejected": rejected}


def _asked(view: Camera, question: Question, runs: dict[str, str], width: int, height: int) -> Any:
    """One question's row: words on the way count until each click, and to the answer."""
    queries = {name: urlencode({"run_id": run_id}) for name, run_id in runs.items()}
    began, words = time.monotonic(), 0
    page = view.open(f"regime-model/{question.link.format(**queries)}", width, height)
    for click in question.clicks:
        link = page.locator(click).first
        words += link.evaluate(_BEFORE)[0]
        link.click()
    answer = page.locator(question.answer).first
    answer.wait_for()
    drawn = time.monotonic() - began
    before, on_screen = answer.evaluate(_BEFORE)
    found = drawn + (words + before) / _WORDS_A_SECOND
    clicks = 1 + len(question.clicks)
    return (
        question.words,
        clicks,
        f"{drawn:.1f}",
        words + before,
        f"{found:.0f}",
        "" if on_screen else "yes",
    )


if __name__ == "__main__":
    main()
