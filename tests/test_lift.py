"""What a campaign brought: the numbers by hand, the files, and the command on orders of known effect."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from training.effect import effect_of

NOTHING_BEFORE = np.empty((0, 0))


def of(spend, treated, segment, before=NOTHING_BEFORE):
    return effect_of(np.array(spend, float), np.array(treated, bool), np.array(segment, object), before)


def test_a_difference_is_weighted_by_who_was_written_to():
    # In "A" the treated spend 2 more (30 of 40 treated), in "B" 10 more (10 of 40).
    spend = [12, 12, 12] * 10 + [10] * 6 + [30] * 10 + [20] * 6
    treated = [True] * 30 + [False] * 6 + [True] * 10 + [False] * 6
    segment = ["A"] * 36 + ["B"] * 16
    effect = of(spend, treated, segment)
    assert effect.difference == pytest.approx(0.75 * 2 + 0.25 * 10)
    assert (effect.treated, effect.control) == (40, 12)
    assert effect.spent == pytest.approx(16.5)
    assert effect.total(effect.difference) == pytest.approx(160)
    assert effect.segments.difference.tolist() == pytest.approx([2, 10])
    assert effect.low == effect.high == effect.difference  # nobody differs from their group


def test_the_interval_is_welchs_where_there_is_one_segment():
    from scipy.stats import ttest_ind

    rng = np.random.default_rng(1)
    one, other = rng.gamma(1, 10, 60), rng.gamma(1, 8, 25)
    effect = of([*one, *other], [True] * 60 + [False] * 25, ["A"] * 85)
    expected = ttest_ind(one, other, equal_var=False).confidence_interval()
    assert (effect.low, effect.high) == pytest.approx((expected.low, expected.high))


def test_what_was_known_before_makes_it_sharper_and_not_another():
    rng = np.random.default_rng(2)
    before = rng.lognormal(3, 1, 4_000)
    treated = rng.random(4_000) < 0.9
    spend = before * rng.gamma(4, 0.25, 4_000) + 5 * treated
    plain = of(spend, treated, ["A"] * 4_000)
    sharp = of(spend, treated, ["A"] * 4_000, before[:, None])
    assert sharp.low < 5 < sharp.high
    assert sharp.high - sharp.low < 0.7 * (plain.high - plain.low)
    assert sharp.spent == plain.spent


@pytest.mark.parametrize("sizes", [(1, 1), (0, 3), (4, 0), (4, 4)])
def test_a_small_segment_is_taken_together_with_others(sizes):
    treated = [True] * 20 + [False] * 10 + [True] * sizes[0] + [False] * sizes[1]
    segment = ["A"] * 30 + ["tiny"] * sum(sizes)
    effect = of(np.arange(len(treated)), treated, segment)
    assert effect.segments.segment.tolist() == ["others"]
    assert effect.segments[["treated", "control"]].sum().tolist() == [effect.treated, effect.control]


def test_two_small_segments_make_one():
    treated = [True, False] * 4
    segment = ["small"] * 8 + ["little"] * 8 + ["A"] * 20
    effect = of(np.arange(36), treated * 2 + [True, False] * 10, segment)
    assert effect.segments.segment.tolist() == ["A", "others"]


@pytest.fixture(scope="module")
def campaign(api_store, tmp_path_factory):
    """A list of the demo shop with a control group, and the orders of 60 days after in which the treated spend double."""
    folder = tmp_path_factory.mktemp("campaign")
    path = folder / "list.csv"
    api_store.run("audience", "--where", "segment=0", "--holdout", "30%", "--model", "1", "-o", path)
    parts = [
        pd.read_csv(folder / f"list-{part}.csv", dtype={"customer_id": str})
        for part in ("treated", "control")
    ]
    groups = pd.concat(parts, ignore_index=True)
    return path, groups


def orders_of(groups, spends, days_after=20):
    """One order of each customer, so many days after the as-of date, in the columns of the demo shop's export."""
    start = pd.Timestamp(groups.as_of[0]).normalize()
    return pd.DataFrame(
        {
            "InvoiceNo": [str(900_000 + number) for number in range(len(groups))],
            "StockCode": "X1",
            "Quantity": 1,
            "InvoiceDate": [f"{start + timedelta(days=days_after + n % 9)}" for n in range(len(groups))],
            "UnitPrice": spends,
            "CustomerID": groups.customer_id,
            "Country": "Norway",
        }
    )


def lift(api_store, path, orders, *words, check=True):
    file = path.parent / "orders.csv"
    orders.to_csv(file, index=False)
    return api_store.run("lift", path, file, *words, check=check)


def test_the_command_finds_an_effect_that_is_there(api_store, campaign):
    path, groups = campaign
    rng = np.random.default_rng(0)
    spends = rng.uniform(50, 60, len(groups)).round(2) + 20.0 * (groups.group == "treated")
    done = lift(api_store, path, orders_of(groups, spends))
    treated = (groups.group == "treated").sum()
    assert f"The {treated:,} customers written to spent " in done.stdout
    assert done.stdout.strip().splitlines()[-2].endswith(": an effect.")
    each = float(done.stdout.split("written to spent ")[1].split()[0])
    assert each == pytest.approx(20, abs=1)


def test_the_command_tells_nothing_apart_where_there_is_nothing(api_store, campaign):
    path, groups = campaign
    spends = np.random.default_rng(3).uniform(1, 100, len(groups)).round(2)
    done = lift(api_store, path, orders_of(groups, spends))
    assert "not told apart from chance." in done.stdout


def test_only_the_days_of_the_campaign_count(api_store, campaign):
    path, groups = campaign
    before = orders_of(groups, np.full(len(groups), 1000.0), days_after=-40)
    during = orders_of(groups, np.full(len(groups), 10.0), days_after=5)
    late = orders_of(groups, np.full(len(groups), 500.0), days_after=50)
    late["InvoiceNo"] += "L"
    during["InvoiceNo"] += "D"
    end = (pd.Timestamp(groups.as_of[0]) + timedelta(days=30)).date()
    done = lift(api_store, path, pd.concat([before, during, late]), "--to", str(end))
    total = next(line for line in done.stdout.splitlines() if line.startswith("all, by segment"))
    assert total.split()[5] == "10.00"


@pytest.mark.parametrize("change", [lambda orders: orders.assign(CustomerID="Z" + orders.CustomerID)])
def test_ids_of_another_shop_are_refused(api_store, campaign, change):
    path, groups = campaign
    done = lift(api_store, path, change(orders_of(groups, np.full(len(groups), 9.0))), check=False)
    assert done.returncode == 2
    assert "Expected the ids of the same shop" in done.stderr


def test_orders_that_end_before_the_campaign_are_refused(api_store, campaign):
    path, groups = campaign
    done = lift(api_store, path, orders_of(groups, np.full(len(groups), 9.0), days_after=-90), check=False)
    assert done.returncode == 2
    assert "The orders end on" in done.stderr


def test_a_list_without_its_groups_is_refused(api_store, tmp_path):
    done = api_store.run("lift", tmp_path / "other.csv", tmp_path / "orders.csv", check=False)
    assert done.returncode == 2
    assert "segments audience --holdout SHARE -o FILE" in done.stderr


def test_an_id_that_looks_like_a_formula_is_found_again(tmp_path):
    from training.lift import read_groups

    for part in ("treated", "control"):
        (tmp_path / f"list-{part}.csv").write_text(
            "customer_id,segment_name,model_version,as_of\r\n'=1+1,A,1,2024-01-01\r\n'2,A,1,2024-01-01\r\n"
        )
    assert read_groups(tmp_path / "list.csv").customer_id.tolist() == ["=1+1", "'2"] * 2
