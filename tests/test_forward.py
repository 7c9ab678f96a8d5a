"""The forward check on made-up customers, against a calculation by hand and scipy's."""

import json
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from contract.names import FEATURES
from training.clustering.segmenter import Segmenter
from training.identity import segments_of
from training.report.forward import (
    CutOff,
    difference,
    eta_squared,
    forward_check,
    rfm_of_sizes,
    rfm_tiers,
    spend_between,
)
from training.report.lookback import look_back
from training.report.past import Past
from training.shop import Reading, count_customers


def test_eta_squared_by_hand():
    # Means 2 and 6 around 4: 4 * 2**2 = 16 of 9 + 1 + 1 + 9 = 20 lies between the groups.
    assert eta_squared([1, 3, 5, 7], ["a", "a", "b", "b"]) == pytest.approx(0.8)
    assert eta_squared([1, 1, 5, 5], [0, 0, 3, 3]) == 1
    assert eta_squared([1, 5, 1, 5], [0, 0, 1, 1]) == 0
    assert np.isnan(eta_squared([2, 2, 2], [0, 1, 1]))


def test_eta_squared_is_that_of_an_analysis_of_variance():
    random = np.random.default_rng(1)
    group = random.integers(0, 4, 200)
    values = random.lognormal(3, 1, 200) * (1 + group)
    found = scipy.stats.f_oneway(*(values[group == one] for one in range(4)))
    between, within = 3, 200 - 4
    expected = found.statistic * between / (found.statistic * between + within)
    assert eta_squared(values, group) == pytest.approx(expected)


def rfm(recency, frequency, monetary):
    return pd.DataFrame({"Recency": recency, "Frequency": frequency, "Monetary": monetary})


def test_rfm_tiers_of_ten_customers():
    # Two customers a quintile, so their scores are 15 15 12 12 9 9 6 6 3 3.
    days = np.arange(1.0, 11)
    assert (
        rfm_tiers(rfm(days, 11 - days, 11 - days), 2).tolist() == [1] * 6 + [0] * 4
    )  # the middle pair together
    assert rfm_tiers(rfm(days, 11 - days, 11 - days), 5).tolist() == [4, 4, 3, 3, 2, 2, 1, 1, 0, 0]


def test_equal_customers_share_a_tier():
    # Scores of Recency 3 3 3 3, of Frequency 2 2 4 5 (ranks 1.5 1.5 3 4 of 4), of Monetary 2 3 4 5.
    customers = rfm([5.0] * 4, [1.0, 1.0, 2.0, 9.0], [10.0, 20.0, 30.0, 40.0])
    assert rfm_tiers(customers, 2).tolist() == [0, 0, 1, 1]
    assert len(set(rfm_tiers(rfm([5.0] * 4, [1.0] * 4, [2.0] * 4), 3))) == 1


def test_spend_is_what_came_after_and_never_below_zero():
    before = pd.DataFrame({"customer_id": ["ann", "bob", "cid", "dot"], "Monetary": [10.0, 20.0, 30.0, 40.0]})
    after = pd.DataFrame({"customer_id": ["new", "ann", "bob", "cid"], "Monetary": [99.0, 15.5, 20.0, 25.0]})
    assert spend_between(before, after).tolist() == [
        5.5,
        0,
        0,
        0,
    ]  # bought, did not, took back, took all back


def cut_off(
    customers, segment, spend, state="active", same_as=None, left_best=None, as_of=datetime(2024, 3, 1)
):
    """A cut-off whose customers are numbered from 0."""
    count = len(spend)
    numbered = customers.assign(customer_id=[str(n) for n in range(count)])
    same = np.asarray(segment if same_as is None else same_as)
    states = np.full(count, state, dtype=object)
    return CutOff(as_of, 90, numbered, np.asarray(segment), same, states, np.asarray(spend, float), left_best)


def test_a_check_whose_answer_is_known():
    days = np.array([40.0, 30, 20, 10])
    customers = rfm(days, 1 + 1 / days, 100 / days)
    checked = forward_check([cut_off(customers, [0, 0, 1, 1], [0, 2, 6, 8])], ("Low", "High"))
    assert checked.groups[checked.groups.kind == "segment"].to_dict("records") == [
        {"kind": "segment", "group": 0, "name": "Low", "customers": 2, "mean_spend": 1, "bought_again": 0.5},
        {"kind": "segment", "group": 1, "name": "High", "customers": 2, "mean_spend": 7, "bought_again": 1},
    ]
    assert checked.metrics["forward_eta_squared_segments"] == pytest.approx(36 / 40)
    assert checked.metrics["forward_eta_squared_rfm"] == pytest.approx(36 / 40)  # the tiers are the segments
    logs = np.log([1, 3, 7, 9])
    expected = ((logs[2:].mean() - logs[:2].mean()) / 2) ** 2 / logs.var()
    assert checked.metrics["forward_eta_squared_segments_log"] == pytest.approx(expected)
    assert checked.ahead["rfm"] == (0, 0)
    assert checked.top_share == {"segments": 14 / 16, "rfm_same_sizes": 14 / 16}
    assert any("not told apart from the segments" in sentence for sentence in checked.sentences)
    json.dumps(checked.as_json(), allow_nan=False)


def test_the_standard_error_of_the_difference_is_that_of_a_bootstrap_of_customers():
    """The same 400 customers at two cut-offs: who is drawn, is drawn at both."""
    random = np.random.default_rng(0)
    count = 400
    kind = random.integers(0, 3, count)
    one, other = kind, np.where(random.random(count) < 0.6, kind, random.integers(0, 3, count))
    spends = [random.lognormal(kind, 1) * (random.random(count) < 0.3 + 0.2 * kind) for _ in range(2)]
    customers = rfm(np.ones(count), np.ones(count), np.ones(count))

    def ahead(rows):
        cuts = [cut_off(customers.iloc[rows], one[rows], spend[rows]) for spend in spends]
        groups = [{"segments": one[rows], "rfm": other[rows]}] * 2
        return difference(cuts, groups, "segments", "rfm")

    _, error = ahead(np.arange(count))
    drawn = [ahead(random.integers(count, size=count))[0] for _ in range(600)]
    assert error == pytest.approx(np.std(drawn), rel=0.2)


def test_rfm_groups_of_the_segments_own_sizes_are_cut_from_the_worst():
    customers = rfm([5.0, 4, 3, 2, 1], [1.0, 2, 3, 4, 5], [10.0, 20, 30, 40, 50])
    assert rfm_of_sizes(customers, np.array([1, 3, 1])).tolist() == [0, 1, 1, 1, 2]
    alike = rfm([5.0] * 4, [1.0] * 4, [7.0, 9.0, 8.0, 6.0])
    assert np.bincount(rfm_of_sizes(alike, np.array([3, 1]))).tolist() == [3, 1]
    assert rfm_of_sizes(alike, np.array([3, 1])).tolist() == [0, 1, 0, 0]  # 9 comes last


def shop_of(tmp_path, days, ends=date(2024, 12, 1)):
    """A shop of 60 customers: the first 20 buy much each week to the end, the others little, and only at first."""
    lines = ["Customer,Invoice,Date,Amount"]
    for back in range(days, 0, -7):
        for customer in range(60):
            often = customer < 20
            if often or back > days - 28:
                day = ends - timedelta(days=back)
                lines.append(
                    f"{customer},{customer}-{back},{day} 12:00,{(100 if often else 2) + customer % 7}"
                )
    (tmp_path / "shop.csv").write_text("\n".join(lines))
    return count_customers([str(tmp_path / "shop.csv")], Reading(as_of=ends))


def past_of(shop):
    values = shop.customers[list(FEATURES)].to_numpy()
    segmenter = Segmenter(2, anomaly_rate=0.02, min_samples=5, order_by=2, random_state=0).fit(values)
    scored = shop.customers.assign(segment=segmenter.labels_, is_anomaly=segmenter.anomalies_)
    return look_back(Past(shop, segmenter, segments_of(segmenter, FEATURES, ["Low", "High"])), scored)


def test_of_very_many_customers_a_sample_is_checked_and_the_movement_is_of_all(tmp_path, monkeypatch):
    monkeypatch.setattr("training.report.past.MOST_TESTED", 59)
    monkeypatch.setattr("training.report.past.TESTED_OF_MORE", 40)
    monkeypatch.setattr("training.report.past.MIN_CUSTOMERS", 20)
    past = past_of(shop_of(tmp_path, days=273))
    assert past.movement.table("customers")[-1] == ["All", 40, 20, 0, 60]
    (row,) = past.forward.by_cut_off.itertuples()
    assert 25 < row.customers < 55
    said = f", on a uniform sample of {row.customers} customers, from what was known then"
    assert said in past.forward.sentences[0]
    assert len(past.past_segments) == 60


def test_a_shop_with_a_past_is_checked(tmp_path):
    past = past_of(shop_of(tmp_path, days=273))
    assert past.missing == {}
    assert past.movement.table("customers")[1:] == [
        ["Low", 40, 0, 0, 40],
        ["High", 0, 20, 0, 20],
        ["New", 0, 0, 0, 0],
        ["All", 40, 20, 0, 60],
    ]
    groups = past.forward.groups
    assert groups[groups.kind == "segment"].bought_again.tolist() == [0, 1]
    assert past.forward.metrics["forward_eta_squared_segments"] > 0.99
    assert past.forward.by_cut_off.cut_off.tolist() == ["2024-09-02"]
    assert past.evidence.segments[1].bought_again == 1
    assert past.evidence.segments[0].bought_again == 0
    assert past.evidence.shop.customers == 60
    assert set(past.files) == {
        "movement.json",
        "fallen.csv",
        "forward.json",
        "data/moves.parquet",
        "data/past_segments.parquet",
    }


@pytest.mark.parametrize(("days", "missing"), [(266, {"forward"}), (56, {"forward", "movement"})])
def test_a_past_that_is_too_short_is_said_to_be(tmp_path, days, missing):
    past = past_of(shop_of(tmp_path, days))
    assert set(past.missing) == missing
    assert past.missing["forward"].startswith(
        f"The data reach back {days} days from 2024-12-01. Expected at least 270"
    )
    assert ("movement.json" in past.files) == ("movement" not in missing)
    assert past.metrics == {}


@pytest.mark.realdata
def test_known_figures_of_the_uci_data(uci_shop):
    shop = uci_shop("net")
    then = shop.earlier(90)
    assert len(then.customers) == 3_357
    spend = spend_between(then.customers, shop.customers)
    assert (spend > 0).mean() == pytest.approx(0.5693, abs=1e-4)
    assert eta_squared(np.log1p(spend), rfm_tiers(then.customers, 3)) == pytest.approx(0.2066, abs=1e-4)
