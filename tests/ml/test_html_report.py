"""The page of a candidate: what it says, and that no name and no missing number breaks it."""

import re
from html.parser import HTMLParser

import pytest

from ml.report.pages import html_report
from ml.words import points
from tests.ml.report_example import RUN, example_metrics

SECTIONS = [
    *(
        "verdict",
        "comparison",
        "time",
        "baselines",
        "calibration",
        "believed",
        "strips",
        "confusion",
        "worst",
        "labels",
        "suspects",
        "regimes",
    ),
    *("balance", "features", "symbols", "drift", "numbers", "origin"),
]
VOID = {"meta", "link", "br", "wbr", "hr", "img", "input"}


class Page(HTMLParser):
    """The text of a page by the id of the section it is in; fails on a tag closed wrongly."""

    def __init__(self, content):
        super().__init__()
        self.sections, self.open, self.text, self.tags = {}, [], "", []
        self.feed(content.decode())
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.handle_data(" ")
            self.open.append((tag, dict(attributes).get("id")))

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if self.open and self.open[-1][0] in {"style", "script"}:
            return
        self.text += data
        for tag, name in self.open:
            if tag == "section":
                self.sections[name] = self.sections.get(name, "") + data


def page(metrics):
    return Page(html_report(metrics))


def words(text):
    return " ".join(text.split())


def test_report_of_full_metrics_has_every_section():
    assert list(page(example_metrics()).sections) == SECTIONS


@pytest.mark.parametrize(
    ("state", "title"),
    [
        ({"deployed_at": "2026-11-22T02:15:00+00:00"}, "Deployed"),
        ({}, "Passed"),
        ({"deploy": False}, "Kept"),
        ({"judged": False}, "Not judged yet"),
    ],
)
def test_verdict_of_each_state_is_told_apart_in_words(state, title):
    found = page(example_metrics(**state))

    assert words(found.sections["verdict"]).startswith(title)
    assert ("title", {}) in found.tags and words(found.text).startswith(f"{title}, 73.9%: {RUN}")


def test_verdict_names_every_reason_and_note():
    metrics = example_metrics()
    metrics["decision"] |= {"reasons": ["one 61.2%", "two 70%"], "notes": ["three"]}
    told = words(page(metrics).sections["verdict"])

    assert "One 61.2%. Two 70%." in told and "Three." in told


def test_comparison_shows_both_models_and_the_paired_numbers():
    metrics = example_metrics()
    told = words(page(metrics).sections["comparison"])

    for expected in ("same 829 holdout rows", "73.9%", "70.2%", "613", "582", "88", "57"):
        assert expected in told
    assert "+3.7 points" in told and "+0.6 to +7.1 points" in told and "p = 0.012" in told
    assert "both correct 525" in told and "both wrong 159" in told
    assert "range 78.5% 71.0% +7.5 214" in told


def test_comparison_without_production_says_so():
    told = page(example_metrics(production=False)).sections["comparison"]

    assert "There is no production model" in told


def test_production_that_could_not_be_scored_is_told_loudly():
    metrics = example_metrics(production=False)
    metrics["decision"] |= {"production_problem": "The production model is broken: garbage"}
    found = page(metrics)

    assert "Production could not be scored." in found.sections["comparison"]
    assert ("p", {"class": "alarm"}) in found.tags


def test_confusion_matrix_has_counts_and_row_shares():
    told = words(page(example_metrics()).sections["confusion"])

    assert "trend_up 151 84% 4 2% 9 5% 6 3% 3 2% 5 3% 2 1% 180" in told


def test_report_before_the_verdict_and_of_old_metrics_is_complete(built):
    found = page(built.metrics)

    assert {"verdict", "baselines", "confusion", "regimes", "balance", "features"} <= set(
        found.sections
    )
    assert built.sha256 in found.sections["origin"]
    assert "comparison" not in found.sections


@pytest.mark.parametrize("key", sorted(example_metrics()))
def test_report_without_a_key_is_still_a_page(key):
    metrics = example_metrics()
    del metrics[key]

    assert {"verdict", "numbers", "origin"} <= set(page(metrics).sections)


def test_report_of_nothing_is_still_a_page():
    assert list(page({}).sections) == ["verdict", "numbers", "origin"]


@pytest.mark.parametrize(
    ("key", "section"),
    [
        ("accuracy_over_time", "time"),
        ("calibration_bins", "calibration"),
        ("accuracy_by_confidence", "believed"),
        ("confusion_matrix", "confusion"),
        ("regimes", "regimes"),
        ("class_counts", "balance"),
        ("per_symbol", "symbols"),
        ("drift", "drift"),
        ("learning_curve", "labels"),
        ("suspects", "suspects"),
    ],
)
def test_section_without_its_key_is_left_out(key, section):
    metrics = example_metrics()
    del metrics[key]
    found = page(metrics)

    assert section not in found.sections
    assert ("a", {"href": f"#{section}"}) not in found.tags


def test_every_link_leads_to_a_section():
    found = page(example_metrics())
    ids = {attributes.get("id") for _, attributes in found.tags}

    targets = [attributes["href"] for tag, attributes in found.tags if tag == "a"]
    assert targets and all(target.removeprefix("#") in ids for target in targets)


def test_hostile_names_are_escaped():
    evil = '"><script>alert(1)</script>{{ 7*7 }}'
    metrics = example_metrics()
    metrics["run_id"] = metrics["snapshot_table"] = metrics["majority_regime"] = evil
    metrics["per_symbol"][0]["symbol"] = evil
    metrics["regimes"][0]["regime"] = evil
    metrics["drift"][0]["feature"] = evil
    metrics["settings"][evil] = evil
    metrics["decision"]["reasons"] = [evil]
    found = page(metrics)

    assert [tag for tag, _ in found.tags].count("script") == 1
    assert found.text.count(evil) >= 7
    assert "49" not in found.sections["verdict"]


def test_report_asks_for_nothing_and_runs_only_what_follows_the_theme():
    content = html_report(example_metrics()).decode()
    found = page(example_metrics())

    assert not re.search(r"(?i)https?:|url\(|@import|\son\w+=|style=\"", content)
    assert not {tag for tag, _ in found.tags} & {"img", "iframe", "object", "form"}
    assert [tag for tag, _ in found.tags].count("script") == 1
    assert "default-src 'none'" in content


def test_report_of_many_symbols_stays_small_and_keeps_them_folded():
    metrics = example_metrics()
    metrics["per_symbol"] = [
        {"symbol": f"ALT{k:03d}USDT", "samples": 9, "accuracy": k / 500} for k in range(500)
    ]
    content = html_report(metrics)

    assert len(content) < 1_000_000
    assert b"480 more symbols" in content
    assert len(html_report(example_metrics())) < 120_000


def test_same_metrics_give_the_same_bytes():
    assert html_report(example_metrics()) == html_report(example_metrics())


def test_all_numbers_are_listed_with_their_path():
    told = words(page(example_metrics()).sections["numbers"])

    assert "settings.trees 200" in told
    assert "regimes[6].support 52" in told
    assert "cv_accuracies 0.68, 0.71, 0.74, 0.73, 0.76" in told
    assert "profile." not in told


def test_accuracy_of_one_period_draws_no_line():
    metrics = example_metrics()
    metrics["accuracy_over_time"] = metrics["accuracy_over_time"][:1]

    assert "time" not in page(metrics).sections


def test_period_without_rows_or_production_is_no_point():
    metrics = example_metrics()
    metrics["accuracy_over_time"][3] |= {"samples": 0, "accuracy": None}
    metrics["accuracy_over_time"][4] |= {"production_accuracy": None}
    circles = [a for tag, a in page(metrics).tags if a.get("class") == "dot candidate"]
    squares = [a for tag, a in page(metrics).tags if a.get("class") == "dot production"]

    assert len(circles) == 2 * 9 + 8 + 2 * 10  # charts for wide and for narrow windows; calibration
    assert len(squares) == 2 * 8


def test_points_of_no_number_are_not_known():
    assert points(None) == "not known"


def test_labels_are_told_in_words_with_chart_and_list():
    metrics = example_metrics()
    found = page(metrics)

    assert "Doubling the labels would gain about 1.9 points" in found.sections["labels"]
    assert "1,910" in found.sections["labels"]
    assert "SOLUSDT" in found.sections["suspects"]
    metrics["learning_curve"] = {"sizes": [], "fit": None, "words": "too few labels to say"}
    assert words(page(metrics).sections["labels"]) == (
        "Would more labels help? Too few labels to say."
    )
