"""A retrained model keeps the champion's numbers and names where its segments are the same."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from made_up import customers, fit

from contract.names import FEATURES
from training.clustering.segmenter import Segmenter
from training.clustering.weights import DEFAULT_WEIGHTS, weights_of
from training.identity import (
    REACH_SHARE,
    Predecessor,
    Segments,
    keep,
    numbers,
    reach,
    same_segments,
    segments_of,
)
from training.profiles import profile

LAST_MONTH = {"lapsed": 120, "new": 80, "best": 60}


def line(*centres, weight=1.0):
    """Segments on a line, in a scale of their own."""
    places = np.array(centres, dtype=float)[:, None]
    names = tuple(f"segment {n}" for n in range(len(centres)))
    return Segments(("Monetary",), np.zeros(1), np.ones(1), places, names, np.array([weight]))


def retrained(now, before, k=None, k_before=3):
    """Segmenter, profiles and decisions of `now` after a champion of `before`."""
    old, profiles = fit(before, k_before)
    champion = segments_of(old, FEATURES, profiles.name.tolist())
    new, profiles = fit(now, k or k_before)
    return *keep(new, profiles, FEATURES, Predecessor(7, champion)), champion


def test_permuted_centres_are_found_again():
    assert same_segments(line(9, 0, 4), line(0, 4, 9)).tolist() == [2, 0, 1]


def test_a_third_of_the_way_to_the_nearest_neighbour_is_how_far_a_segment_reaches():
    assert reach(line(0, 3, 9)).tolist() == pytest.approx([1, 1, 2])
    assert same_segments(line(0.9, 3, 11.1), line(0, 3, 9)).tolist() == [0, 1, -1]


def test_a_merged_segment_is_the_one_that_makes_up_two_thirds_of_it():
    old = line(0, 3, 30)
    assert same_segments(line((3 * 0 + 1 * 3) / 4, 30), old).tolist() == [0, 2]
    assert same_segments(line((1 * 0 + 1 * 3) / 2, 30), old).tolist() == [-1, 2]


def test_a_segment_is_found_in_another_scale():
    old = line(0, 4, 9)
    moved = replace(old, mean=np.array([10.0]), scale=np.array([2.0]), centres=(old.centres - 10) / 2)
    assert same_segments(moved, old).tolist() == [0, 1, 2]


def test_a_segment_is_found_under_other_weights():
    old, new = line(0, 4, 9), line(0, 2, 4.5, weight=0.5)
    assert same_segments(new, old).tolist() == [0, 1, 2]
    assert new.centres_in_scale_of(old).tolist() == old.centres.tolist()
    assert not new.weighs_like(old)
    assert same_segments(replace(new, weights=np.ones(1)), old).tolist() == [0, -1, 1]


@pytest.mark.parametrize(
    ("same_as", "given"),
    [
        ([0, 1, 2], [0, 1, 2]),
        ([2, 0, 1], [2, 0, 1]),
        ([1, -1, 0], [1, 2, 0]),  # one is new
        ([-1, 0, -1, 2], [1, 0, 3, 2]),  # two are: the free numbers in their order
        ([0, 4, 1], [0, 2, 1]),  # the champion had five
        ([-1, -1, -1], [0, 1, 2]),
    ],
)
def test_the_champions_numbers_are_kept_and_the_free_ones_filled_in_order(same_as, given):
    assert numbers(np.array(same_as)).tolist() == given


def test_the_same_customers_get_the_same_segments_even_when_another_one_spends_most():
    before = customers(**LAST_MONTH)
    now = richer_lapsed()
    raw, _ = fit(now)
    new, profiles, identity, _ = retrained(now, before)
    assert [o.same_as for o in identity.origins] == [0, 1, 2]
    assert profiles.segment.tolist() == [0, 1, 2]
    again = profile(now, new.labels_, new.anomalies_, FEATURES)
    assert again.customers.tolist() == profiles.customers.tolist()
    assert (new.labels_ != raw.labels_).mean() > 0.5
    assert np.array_equal(new.predict(now[list(FEATURES)].to_numpy()), new.labels_)
    assert np.array_equal(new.kmeans_.predict(new.kmeans_.cluster_centers_), [0, 1, 2])


def richer_lapsed():
    """Last month's customers, of whom the lapsed have come to have spent more than the new ones."""
    now = customers(seed=1, **LAST_MONTH)
    money = ["Monetary", "AverageOrderValue"]
    now.loc[:119, money] *= 1.7
    now.loc[120:199, money] *= 0.5
    return now


def test_a_name_that_is_not_true_any_more_gives_way_and_that_is_told():
    """The numbers stay, but what was low is now above what was medium: no "low" may stand above a "medium"."""
    _, profiles, identity, champion = retrained(richer_lapsed(), customers(**LAST_MONTH))
    assert champion.names == ("Low-value lapsed", "Medium-value new", "High-value active")
    assert profiles.name.tolist() == ["Medium-value lapsed", "Low-value new", "High-value active"]
    assert profiles.median_Monetary[0] > profiles.median_Monetary[1]
    assert [origin.name for origin in identity.origins] == profiles.name.tolist()


def test_a_name_is_kept_while_four_in_ten_customers_bear_its_activity_word_out():
    before = customers(**LAST_MONTH)
    now = customers(seed=1, **LAST_MONTH)
    old_enough = 400.0  # days since the first order, more than a quarter of the time that the data span
    for still_new, name in ((0.45, "Medium-value new"), (0.35, "Medium-value active")):
        new_ones = now.index[120:200]
        older = new_ones[round(still_new * len(new_ones)) :]
        shop = now.assign(Tenure=now.Tenure.where(~now.index.isin(older), old_enough))
        segmenter, profiles = fit(before)
        labels = np.repeat([0, 1, 2], [120, 80, 60])
        by_rule = profile(shop, labels, np.zeros(260, bool), FEATURES)
        assert by_rule.name[1] == "Medium-value active"
        champion = segments_of(segmenter, FEATURES, profiles.name.tolist())
        assert keep(segmenter, by_rule, FEATURES, Predecessor(7, champion))[1].name[1] == name


def test_a_new_segment_gets_a_free_number_and_a_name_of_its_own():
    before, now = customers(**LAST_MONTH), customers(seed=1, **LAST_MONTH, cooling=60)
    _, profiles, identity, champion = retrained(now, before, k=4)
    assert [o.same_as for o in identity.origins] == [0, 1, 2, None]
    assert profiles.name[0] == champion.names[0]
    # Four levels of value have other words than three; the newcomers of the highest level are not "high" any more.
    assert profiles.name[1:].tolist() == [
        "Lower-medium-value new",
        "Upper-medium-value active",
        "High-value lapsed",
    ]
    assert profiles.median_Recency[3] == pytest.approx(90, rel=0.1)
    assert "new: " in identity.tags()["identity.3"]


def test_a_vanished_segment_leaves_its_number_to_a_new_one():
    before = customers(lapsed=120, new=80, best=60)
    now = customers(seed=1, lapsed=120, cooling=80, best=60)
    _, profiles, identity, champion = retrained(now, before)
    kept = {origin.segment: origin.same_as for origin in identity.origins}
    assert kept == {0: 0, 1: None, 2: 2}
    assert profiles.name[1] not in (champion.names[0], champion.names[2])


def test_fewer_segments_keep_what_numbers_they_can():
    before = customers(**LAST_MONTH, cooling=80)
    now = customers(seed=1, lapsed=120, new=80, cooling=80)
    _, profiles, identity, champion = retrained(now, before, k=3, k_before=4)
    old = [origin.same_as for origin in identity.origins]
    gone = champion.names.index("Upper-medium-value active")
    assert sorted(old) == sorted({0, 1, 2, 3} - {gone})
    assert [n for n in old if n < 3] == [i for i, n in enumerate(old) if n < 3]
    assert profiles.name.tolist()[:2] == ["Low-value lapsed", "Medium-value new"]


def test_a_few_whales_change_no_number():
    before = customers(**LAST_MONTH)
    now = customers(seed=1, **LAST_MONTH, whale=3)
    _, _, identity, _ = retrained(now, before)
    assert [o.same_as for o in identity.origins] == [0, 1, 2]
    assert max(o.distance for o in identity.origins) < 0.2


def test_retraining_on_the_same_customers_changes_nothing():
    table = customers(**LAST_MONTH)
    alone, by_rule = fit(table)
    new, profiles, identity, _ = retrained(table, table)
    assert np.array_equal(new.labels_, alone.labels_)
    assert profiles.equals(by_rule)
    assert [o.distance for o in identity.origins] == pytest.approx([0, 0, 0])


def test_without_a_champion_segments_are_numbered_by_median_monetary():
    segmenter, by_rule = fit(customers(**LAST_MONTH))
    labels = segmenter.labels_.copy()
    nobody = Predecessor(None, None, "there is no champion")
    segmenter, profiles, identity = keep(segmenter, by_rule, FEATURES, nobody)
    assert profiles is by_rule
    assert np.array_equal(segmenter.labels_, labels)
    assert str(identity) == "Segments are numbered by median Monetary: there is no champion."


@pytest.mark.realdata
@pytest.mark.parametrize(("k", "raw", "aligned"), [(3, 0.011, 0.011), (6, 0.437, 0.178)])
def test_a_month_later_few_customers_have_another_segment(uci_shop, k, raw, aligned):
    before = uci_shop("net", as_of=date(2011, 11, 10)).customers
    now = uci_shop("net", as_of=date(2011, 12, 10)).customers
    setting = {"weights": weights_of(FEATURES, DEFAULT_WEIGHTS), "order_by": 2, "random_state": 0}
    old = Segmenter(k, **setting).fit(before[list(FEATURES)].to_numpy())
    new = Segmenter(k, **setting).fit(now[list(FEATURES)].to_numpy())
    labels = old.predict(now[list(FEATURES)].to_numpy())
    assert (new.labels_ != labels).mean() == pytest.approx(raw, abs=0.01)
    champion = segments_of(old, FEATURES, [f"segment {n}" for n in range(k)])
    profiles = profile(now, new.labels_, new.anomalies_, FEATURES)
    kept, _, _ = keep(new, profiles, FEATURES, Predecessor(1, champion))
    assert (kept.labels_ != labels).mean() == pytest.approx(aligned, abs=0.01)
    assert (new.labels_ != labels).mean() == pytest.approx(raw, abs=0.01)  # what was given is as it was


def test_the_reaches_of_two_segments_never_overlap():
    assert REACH_SHARE < 0.5
