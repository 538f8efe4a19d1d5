"""The page of rows to label next: what it says before, with and without rows."""

from ml.report.label_list import COLUMNS, label_page, list_csv, list_line, list_text

ROW = {
    "rank": 1,
    "symbol": "<b>BTC</b>",
    "timestamp": "2026-11-22T01:00:00+00:00",
    "why": "the model hesitates between range and volatile",
    "production": "range",
    "candidate": "",
}
MADE = {"rows": [ROW], "wanted": 50, "labels": {"range": 9}, "listed_at": "2026-11-22T02:00:00"}


def test_page_before_the_first_run_says_how_to_start_one() -> None:
    page = label_page({}).decode()
    assert "No list yet" in page and "LABELS_WANTED" in page


def test_page_has_the_rows_escaped_and_says_why_there_are_few() -> None:
    page = label_page(MADE).decode()
    assert "&lt;b&gt;BTC&lt;/b&gt;" in page and "<b>BTC" not in page
    assert "1: the model hesitates</li>" in page and "Fewer than the 50" in page
    assert 'href="label-next.csv"' in page


def test_page_without_rows_says_that_nothing_is_worth_a_label() -> None:
    assert "Nothing to label next" in label_page(MADE | {"rows": []}).decode()


def test_csv_has_an_empty_column_for_the_label() -> None:
    head, row = list_csv([ROW]).splitlines()
    assert head == ",".join(COLUMNS) and row.endswith(",range,,")


def test_line_and_text_name_the_rows() -> None:
    assert list_line([ROW] * 4).count("<b>BTC</b> 2026-11-22 01:00 UTC") == 3
    assert list_text([ROW]).startswith("  1  <b>BTC</b>  2026-11-22 01:00 UTC  the model")
    assert list_text([]) == list_line([]) and "nothing" in list_line([])
