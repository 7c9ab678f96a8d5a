"""What the pages are filled with, where no browser is needed to see it: lines, promotions, lists to act on, moves."""

from datetime import datetime

import pandas as pd
import pytest

from serving.archive import BY_HAND, Promotion, Training, promotions
from serving.comparisons import NotHeld, named
from serving.moves import moves_between
from serving.pages.lines import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Line, drawing
from serving.pages.overview import worth_acting_on
from serving.pages.past import charts, side_by_side

NOON = datetime(2024, 1, 1, 12)


def training(version, as_of, *segments, **metrics):
    """A version whose segments are (number, name, customers, money, median money)."""
    profiles = [
        {"segment": number, "name": name, "customers": customers, "revenue": money, "anomalies": 1}
        | {"median_Monetary": median}
        for number, name, customers, money, median in segments
    ]
    return Training(version, as_of, {}, profiles, metrics, None)


JANUARY = training(1, "2024-01-31T12:50:00", (0, "Low", 3, 30.0, 10.0), (1, "High", 2, 900.0, 400.0))
MARCH = training(
    2, "2024-03-01T09:00:00", (0, "Low", 2, 25.0, 12.0), (1, "High", 3, 1_500.0, 450.0), silhouette=0.5
)


def entry(before, after, command="segments promote"):
    return Promotion(before, after, command, "", NOON, "ann")


def test_a_line_runs_from_edge_to_edge_and_starts_at_zero():
    picture = drawing(
        ["2024-01-01T00:00:00", "2024-01-11T00:00:00", "2024-01-21T00:00:00"], [Line("a", [0, None, 100], {})]
    )
    points = [(point["x"], point["y"]) for point in picture["lines"][0]["points"]]
    assert points == [(LEFT, HEIGHT - BOTTOM), (WIDTH - RIGHT, TOP)]
    assert [tick["value"] for tick in picture["ticks"]] == [0, 50, 100]


@pytest.mark.parametrize(
    ("most", "ticks"), [(0.42, [0, 0.25, 0.5]), (1_463, [0, 500, 1000, 1500]), (0, [0, 0.5, 1])]
)
def test_an_axis_ends_at_a_round_number(most, ticks):
    picture = drawing(["2024-01-01", "2024-02-01"], [Line("a", [most, most], {})])
    assert [tick["value"] for tick in picture["ticks"]] == pytest.approx(ticks)


def test_one_date_makes_no_line():
    assert drawing(["2024-01-01", "2024-01-01"], [Line("a", [1, 2], {})]) is None


def test_a_history_without_a_gap_is_told_as_it_was_entered():
    entries = [(entry(1, 2), True), (entry(None, 1), True)]
    assert promotions(entries, 2) == [entry(1, 2), entry(None, 1)]


def test_where_entries_do_not_meet_somebody_moved_the_alias_by_hand():
    entries = [(entry(1, 2), True), (entry(None, 1), True)]
    assert promotions(entries, 3)[0] == Promotion(2, 3, BY_HAND)
    gap = [(entry(3, 4), True), (entry(None, 1), True)]
    assert promotions(gap, 4) == [entry(3, 4), Promotion(1, 3, BY_HAND), entry(None, 1)]
    assert promotions([], 1) == [Promotion(None, 1, BY_HAND)]


def test_an_entry_that_was_cut_off_counts_only_where_it_led_to():
    cut = (entry(1, 2), False)
    assert promotions([cut, (entry(None, 1), True)], 1) == [entry(None, 1)]
    assert promotions([cut, (entry(None, 1), True)], 2) == [entry(1, 2), entry(None, 1)]


def cell(segment, state, customers, revenue, risk=None):
    return {
        "segment": segment,
        "state": state,
        "customers": customers,
        "revenue": revenue,
        "value_at_risk": risk,
    }


def test_the_lists_to_act_on_are_the_late_the_due_and_the_one_time_with_most_at_stake():
    cells = [
        cell(1, "late", 38, 900.0, 50.0),
        cell(0, "late", 90, 400.0, 80.0),
        cell(1, "due", 20, 700.0),
        cell(0, "due", 30, 300.0),
        cell(1, "one-time", 1, 80_000.0),
        cell(0, "one-time", 500, 900.0),
        cell(1, "active", 900, 9_000.0),
    ]
    taken = worth_acting_on(cells)
    assert [(own["segment"], own["state"]) for own in taken] == [(0, "late"), (1, "due"), (0, "one-time")]


def test_where_a_state_has_nobody_the_next_list_takes_the_place():
    cells = [
        cell(1, "late", 8, 900.0),
        cell(0, "late", 9, 400.0),
        cell(1, "due", 0, 0.0),
        cell(0, "active", 5, 1.0),
    ]
    assert [(own["segment"], own["title"]) for own in worth_acting_on(cells)] == [
        (1, "Win back"),
        (0, "Win back"),
    ]


def test_moves_between_versions_count_everyone_once_and_say_the_money():
    before = pd.DataFrame(
        {
            "customer_id": ["ann", "bob", "cid"],
            "segment": [1, 0, 1],
            "state": "active",
            "Monetary": [500.0, 20, 400],
        }
    )
    after = pd.DataFrame(
        {
            "customer_id": ["bob", "ann", "eve"],
            "segment": [1, 0, 1],
            "state": "late",
            "Monetary": [600.0, 500, 70],
        }
    )
    moves = moves_between(JANUARY, MARCH, before, after)
    assert moves.days == 30
    assert moves.rows.set_index("customer_id").moved.to_dict() == {
        "bob": "rose",
        "ann": "fell",
        "eve": "came",
    }
    money = {
        (own["from_name"], own["to_name"]): (own["customers"], own["Monetary_before"], own["Monetary_after"])
        for own in moves.cells
    }
    assert money == {
        ("Low", "High"): (1, 20, 600),
        ("High", "Low"): (1, 500, 500),
        ("High", "Gone"): (1, 400, 0),
        ("New", "High"): (1, 0, 70),
    }
    assert moves.as_json()["gone"] == [
        {"customer_id": "cid", "from_segment": 1, "from_name": "High", "Monetary_before": 400}
    ]


def test_a_version_is_named_by_number_or_by_its_as_of_date():
    held = [MARCH, JANUARY]
    assert named(held, "1") is JANUARY
    assert named(held, "2024-03-01") is MARCH
    for given in ("3", "2024-02-01", "yesterday"):
        with pytest.raises(
            NotHeld, match=rf"'{given}' is no version .* one of: 2 \(2024-03-01\), 1 \(2024-01-31\)"
        ):
            named(held, given)


def test_charts_have_a_point_for_each_date_and_gaps_where_nothing_is_known():
    by_title = {chart["title"]: chart for chart in charts([MARCH, JANUARY])}
    assert by_title["Silhouette"]["series"][0].values == [None, 0.5]
    money = by_title["Money of each segment"]
    assert [(line.name, line.values) for line in money["series"]] == [
        ("Low", [30, 25]),
        ("High", [900, 1500]),
    ]
    assert len(money["drawing"]["lines"][1]["points"]) == 2


def test_of_two_trainings_for_one_date_the_later_counts():
    again = training(3, MARCH.as_of, (0, "Low", 9, 99.0, 12.0))
    chart = charts([again, MARCH, JANUARY])[0]
    assert [(line.name, line.values) for line in chart["series"]] == [
        ("Low", [3, 9]),
        ("High (until 31 January 2024)", [2, None]),
    ]


def test_segments_of_two_versions_stand_side_by_side_by_their_numbers():
    without = training(3, "2024-04-01T00:00:00", (0, "Low", 9, 99.0, 12.0))
    rows = side_by_side([MARCH, without])
    assert [(row["segment"], [own and own["customers"] for own in row["own"]]) for row in rows] == [
        (1, [3, None]),
        (0, [2, 9]),
    ]
