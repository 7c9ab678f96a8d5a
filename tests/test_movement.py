"""Who moved between two dates: made-up shops whose movement is known, and the command that tells it."""

import json
from dataclasses import replace
from datetime import date, datetime
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from training.cli import main
from training.errors import InputError
from training.report.movement import movement_between
from training.score import counted_as_in_training
from training.shop import Reading, count_customers

NAMES = ["Low", "Medium", "High"]
JANUARY, MARCH = datetime(2024, 1, 31), datetime(2024, 3, 1)


def table(**customers):
    """Customers as id=(segment, days since the last order, money)."""
    rows = [(customer, *values) for customer, values in customers.items()]
    found = pd.DataFrame(rows, columns=["customer_id", "segment", "Recency", "Monetary"])
    return found.assign(is_anomaly=False)


BEFORE = table(ann=(2, 3, 900), bob=(2, 9, 800), cid=(2, 8, 700), dot=(1, 20, 90), eve=(2, 1, 600))
AFTER = table(ann=(2, 4, 990), bob=(1, 39, 800), dot=(2, 2, 290), eve=(0, 31, 600.5), fay=(1, 5, 80))


@pytest.fixture(scope="module")
def moved():
    return movement_between(BEFORE, AFTER, NAMES, JANUARY, MARCH)


def test_the_matrix_counts_every_customer_once(moved):
    head, *rows = moved.table("customers")
    assert head == ["Low", "Medium", "High", "Gone", "All"]
    assert rows == [
        ["Low", 0, 0, 0, 0, 0],
        ["Medium", 0, 0, 1, 0, 1],
        ["High", 1, 1, 1, 1, 4],
        ["New", 0, 1, 0, 0, 1],
        ["All", 1, 2, 2, 1, 6],
    ]


def test_the_money_of_both_dates_is_all_there(moved):
    _, *before = moved.table("Monetary_before")
    _, *after = moved.table("Monetary_after")
    assert before[2] == ["High", 600, 800, 900, 700, 3000]
    assert after[2] == ["High", 600.5, 800, 990, 0, 2390.5]
    assert before[-1][-1] == BEFORE.Monetary.sum()
    assert after[-1][-1] == AFTER.Monetary.sum()


def test_who_left_the_best_segment_is_listed_biggest_spenders_first(moved):
    assert moved.as_json()["fallen"] == [
        {
            "customer_id": customer,
            "from_name": "High",
            "to_segment": segment,
            "to_name": name,
            "Monetary_before": before,
            "Monetary_after": after,
            "Recency": days,
        }
        for customer, segment, name, before, after, days in [
            ("bob", 1, "Medium", 800, 800, 39),
            ("cid", None, "Gone", 700, None, None),
            ("eve", 0, "Low", 600, 600.5, 31),
        ]
    ]


def test_who_is_gone_is_listed(moved):
    assert moved.as_json()["gone"] == [
        {"customer_id": "cid", "from_segment": 2, "from_name": "High", "Monetary_before": 700}
    ]


def test_the_sentences_hold_the_numbers(moved):
    assert moved.sentences == [
        "3 customers, 75% of High, left it from 2024-01-31 to 2024-03-01: 1 to Low, 1 to Medium and 1 gone. "
        "They had brought 2,100, 70% of its revenue.",
        "1 customer rose to High and 0 new customers began there: it had 4 customers and has 2.",
        "20% of all customers stayed in their segment; 1 new customer brought 80.00.",
    ]


def test_the_best_segment_is_the_one_whose_ordinary_customers_spent_most_whatever_its_number():
    # A champion's numbers are kept: here High is 0 and Low is 2. A rich anomaly does not make Low the best.
    before = table(ann=(0, 3, 900), bob=(0, 9, 800), eve=(0, 1, 600), dot=(1, 20, 90), low=(2, 9, 10))
    after = table(ann=(0, 4, 990), bob=(1, 39, 800), eve=(2, 31, 600), dot=(0, 2, 290), low=(2, 9, 9e6))
    after["is_anomaly"] = after.customer_id.isin(["bob", "eve", "low"])
    moved = movement_between(before, after, ["High", "Medium", "Low"], JANUARY, MARCH)
    assert (moved.best, moved.as_json()["best_name"]) == (0, "High")
    assert moved.fallen.customer_id.tolist() == ["bob", "eve"]
    assert moved.sentences[0].startswith(
        "2 customers, 67% of High, left it from 2024-01-31 to 2024-03-01: 1 to"
    )
    assert moved.sentences[1].startswith("1 customer rose to High and 0 new customers began there")


def test_where_nobody_moved_nobody_is_said_to():
    still = movement_between(BEFORE, BEFORE, NAMES, JANUARY, MARCH)
    assert still.fallen.empty
    assert still.sentences[0] == "Nobody left High from 2024-01-31 to 2024-03-01."
    assert still.sentences[2].startswith("100% of all customers stayed")


LINES = """Customer;Invoice;Date;Amount
ann;1;2024-01-05 10:00;10
ann;1;2024-01-05 10:00;10
ann;1;2024-02-10 10:00;5
ann;C2;2024-02-12 10:00;-4
bob;3;2024-01-20 18:00;7
bob;C4;2024-02-20 09:00;-7
fay;5;2024-03-01 12:00;3
"""


@pytest.fixture
def small_shop(tmp_path):
    (tmp_path / "shop.csv").write_text(LINES)
    return lambda **options: count_customers([str(tmp_path / "shop.csv")], Reading(**options))


def test_a_shop_counted_again_is_as_if_it_had_been_counted_then(small_shop):
    # Order 1 goes on after the earlier day, and bob's return comes later.
    later, then = small_shop(as_of=date(2024, 3, 2)), small_shop(as_of=date(2024, 2, 1))
    again = later.earlier(30)
    assert again.as_of == then.as_of
    pd.testing.assert_frame_equal(again.customers, then.customers)
    assert then.customers.set_index("customer_id").Monetary.to_dict() == {"ann": 10, "bob": 7}
    assert later.customers.set_index("customer_id").Monetary.to_dict() == {"ann": 11, "fay": 3}


def test_each_earlier_day_is_counted_as_from_all_lines(tmp_path):
    random = np.random.default_rng(3)
    first = pd.Timestamp("2024-01-01")
    lines = pd.DataFrame(
        {
            "Customer": random.choice(list("abcdefgh"), 600),
            "Invoice": random.choice([f"{kind}{number}" for kind in ("", "C") for number in range(40)], 600),
            "Date": first + pd.to_timedelta(random.integers(0, 90 * 24, 600), "h"),
            "Quantity": random.choice([1, 2, 5, -1, 0], 600, p=[0.4, 0.3, 0.1, 0.15, 0.05]),
            "Price": random.choice([9.99, 0.5, 20, 0], 600, p=[0.5, 0.2, 0.25, 0.05]),
            "Country": random.choice(["Malta", "Chad", ""], 600),
            "E-mail": random.choice(["x@here.test", "y@here.test"], 600),
        }
    )
    path = tmp_path / "shop.csv"
    lines.to_csv(path, index=False)
    reading = Reading(keep=("E-mail",))
    later = count_customers([str(path)], reading)
    funnels = set()
    for days in (1, 7, 20, 33, 45, 60, 80):
        again = later.earlier(days)
        then = count_customers([str(path)], replace(reading, as_of=again.as_of))
        assert again.funnel == then.funnel
        pd.testing.assert_frame_equal(again.customers, then.customers)
        orders = [shop.orders.order_by("customer_id", "order_id").to_pandas() for shop in (again, then)]
        pd.testing.assert_frame_equal(*orders)
        funnels.add((then.funnel.deductions > 0, then.funnel.cancellations > 0, then.funnel.after_as_of > 0))
    assert funnels == {(True, True, True)}


def test_without_a_day_given_the_moment_moves_back(small_shop):
    again = small_shop().earlier(40)
    assert again.as_of == datetime(2024, 1, 22, 12)  # 2024-03-02 12:00 less 40 days
    assert again.customers.set_index("customer_id").Recency.to_dict() == {"ann": 17, "bob": 1}


def test_the_counting_rules_of_training_are_kept(small_shop):
    assert small_shop(returns="drop", duplicates="keep").earlier(1).customers.Monetary.tolist() == [25, 7]


@pytest.fixture
def segments(store, monkeypatch):
    """`segments ARGUMENTS` in the store's folder, in this process."""
    import mlflow

    monkeypatch.chdir(store.folder)
    for name, value in store.environment.items():
        if name.startswith("MLFLOW_"):
            monkeypatch.setenv(name, value)
    yield lambda *arguments: CliRunner().invoke(main, [str(word) for word in arguments])
    mlflow.set_tracking_uri(None)


FROM, TO = "2024-11-10", "2024-12-15"


def test_compare_agrees_with_scoring_each_day_by_itself(segments, tmp_path):
    table, outcome = tmp_path / "f.parquet", tmp_path / "f.json"
    compared = segments(
        "compare", "data/raw/demo.csv.gz", "--from", FROM, "--to", TO, "-o", table, "--json", outcome
    )
    assert compared.exit_code == 0, compared.output
    scored = []
    for day in (FROM, TO):
        done = segments("score", "data/raw/demo.csv.gz", "--as-of", day, "-o", tmp_path / f"{day}.parquet")
        assert done.exit_code == 0, done.output
        scored.append(pd.read_parquet(tmp_path / f"{day}.parquet").set_index("customer_id"))
    before, after = scored
    best = after[~after.is_anomaly].groupby("segment").Monetary.mean().idxmax()
    were, are = set(before.index[before.segment == best]), set(after.index[after.segment == best])
    fallen = pd.read_parquet(tmp_path / "f.parquet").set_index("customer_id")
    assert set(fallen.index) == were - are != set()
    assert (fallen.Monetary_before == before.Monetary[fallen.index]).all()
    assert {row["customer_id"] for row in json.loads(outcome.read_text())["fallen"]} == set(fallen.index)
    assert set(fallen["model_version"]) == {1}
    assert set(fallen["from"]) == {FROM}
    lines = compared.output.splitlines()
    name = before.segment_name[before.segment == best].iloc[0]
    row = next(line for line in lines if line.startswith(name))
    assert row.split()[-1] == f"{len(were):,}"
    assert f"{len(fallen)} customers, " in compared.output
    assert f"it had {len(were):,} customers and has {len(are):,}." in compared.output


def test_the_days_that_a_training_compared_give_what_the_training_found(segments, store):
    found = json.loads(store.artifact("movement.json").read_text())
    days = [found[end][:10] for end in ("from_as_of", "to_as_of")]
    compared = segments("compare", "data/raw/demo.csv.gz", "--from", days[0], "--to", days[1])
    assert compared.exit_code == 0, compared.output
    for sentence in found["sentences"]:
        assert sentence in compared.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--from", TO, "--to", FROM], f"--from {TO} is not before --to {FROM}"),
        (["--from", TO, "--to", TO], "Expected an earlier day"),
        (["--from", "yesterday", "--to", TO], "--from yesterday is not a day"),
        (["--from", FROM, "--to", TO, "--model", "9"], "No model version '9'"),
        (["--from", FROM, "--to", TO, "--output", "list.xlsx"], "Expected .parquet or .csv"),
        (["--from", "2019-05-05", "--to", TO], "There was no customer on 2019-05-05: the first order is of"),
    ],
)
def test_a_comparison_that_cannot_be_made_says_why(segments, options, message):
    done = segments("compare", "data/raw/demo.csv.gz", *options)
    assert done.exit_code == 2
    assert message in done.stderr


def test_a_model_that_does_not_say_how_its_data_were_counted_is_refused():
    stranger = SimpleNamespace(metadata=SimpleNamespace(metadata=None))
    with pytest.raises(InputError, match="Version 3 does not say how its training data were counted"):
        counted_as_in_training(Reading(), stranger, 3)
