"""What the peers' alarms are counted as."""

from datetime import date

from benchmarks.watch_peers import interval, split_up

DAY, NEXT = date(2026, 11, 1), date(2026, 11, 2)


def test_alarms_of_a_peer_are_split_into_columns_and_its_verdict() -> None:
    told = {DAY: ["adx", "dataset"], NEXT: ["adx"]}
    assert split_up("Evidently", told) == {
        "Evidently, any column": {DAY: ["adx"], NEXT: ["adx"]},
        "Evidently, dataset": {DAY: ["dataset"]},
    }
    assert split_up("ours", told) == {"ours": told}


def test_interval_of_two_markets_is_as_wide_as_two_say() -> None:
    assert interval([1.0, 3.0]) == "2 (-10.7 to 14.7)"
