"""What a segment's customers did next, by hand, and advice that says no number that is not in it."""

import re
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from training.report.advice import UNKNOWN, advice, advice_on_leavers
from training.report.evidence import Evidence, evidence_of
from training.report.forward import CutOff


def cut_off(same_as, spend, state="active", left_best=None):
    count = len(spend)
    customers = pd.DataFrame({"customer_id": [str(n) for n in range(count)]})
    segment = np.maximum(same_as, 0)
    states = np.full(count, state, dtype=object) if isinstance(state, str) else np.asarray(state, object)
    return CutOff(
        datetime(2024, 3, 1),
        90,
        customers,
        segment,
        np.asarray(same_as),
        states,
        np.asarray(spend, float),
        left_best,
    )


# Thirty customers of segment 0, of whom six bought for 10 each; twenty of segment 1, who all bought for 100 each.
SAME_AS = np.repeat([0, 1], [30, 20])
SPEND = np.concatenate([np.repeat([10.0, 0.0], [6, 24]), np.full(20, 100.0)])


def test_evidence_worked_out_by_hand():
    evidence = evidence_of([cut_off(SAME_AS, SPEND)], 2)
    poor, rich = evidence.segments[0], evidence.segments[1]
    assert (poor.customers, poor.bought_again, poor.mean_spend, poor.total_spend) == (30, 0.2, 2, 60)
    assert poor.spend_of_buyers == 10
    assert poor.bought_again_se == pytest.approx(np.sqrt(0.2 * 0.8 / 29))
    assert poor.mean_spend_se == pytest.approx(np.sqrt(16 / 29))
    assert (rich.bought_again, rich.bought_again_se, rich.mean_spend, rich.mean_spend_se) == (1, 0, 100, 0)
    assert evidence.shop.total_spend == 2_060


def test_evidence_is_the_mean_over_the_cut_offs():
    evidence = evidence_of([cut_off(SAME_AS, SPEND), cut_off(SAME_AS, 3 * SPEND)], 2)
    assert evidence.segments[1].mean_spend == 200
    assert evidence.segments[1].cut_offs == 2


def test_a_group_of_few_customers_or_of_a_segment_that_was_not_there_is_not_known():
    few = np.repeat([0, 1, -1], [30, 19, 1])
    evidence = evidence_of([cut_off(few, SPEND)], 3)
    assert set(evidence.segments) == {0}
    assert evidence.left_best is None


def test_a_cell_is_a_segment_and_a_state():
    states = np.repeat(["late", "active", "late"], [25, 5, 20])
    evidence = evidence_of([cut_off(SAME_AS, SPEND, states)], 2)
    assert set(evidence.cells) == {(0, "late"), (1, "late")}
    assert evidence.cells[0, "late"].bought_again == 6 / 25


def test_who_left_the_best_segment_has_evidence_of_their_own():
    left = np.arange(50) < 24
    evidence = evidence_of([cut_off(SAME_AS, SPEND, left_best=left), cut_off(SAME_AS, SPEND)], 2)
    assert evidence.left_best.customers == 24
    assert evidence.left_best.bought_again == 6 / 24
    assert evidence.left_best.cut_offs == 1


def group(bought_again, mean_spend):
    return Evidence(90, 4, 200.0, bought_again, 0.01, mean_spend, 1.0, 200 * mean_spend)


@pytest.mark.parametrize(
    ("bought_again", "lower", "phrase"),
    [
        (0.6, False, "early access"),
        (0.6, True, "a short thank-you"),
        (0.59, False, "a mail costs little"),
        (0.25, False, "a mail costs little"),
        (0.24, False, "one automatic reminder pays"),
        (0.0, False, "None of them bought again within 90 days"),
    ],
)
def test_advice_follows_from_the_share_who_bought_again(bought_again, lower, phrase):
    assert phrase in advice(group(bought_again, 84 * bought_again), 500, 123, lower)


@pytest.mark.parametrize("bought_again", [0.07, 0.31, 0.42, 0.83])
def test_advice_says_no_number_that_is_not_in_the_evidence(bought_again):
    sentence = advice(group(bought_again, 84 * bought_again), 500, 123)
    numbers = {float(number) for number in re.findall(r"\d+(?:\.\d+)?", sentence)}
    assert numbers == {round(100 * bought_again), 90, 84, 123}


def test_without_evidence_nothing_is_said_to_be_known():
    assert advice(None, 500, 123) == UNKNOWN
    assert not re.search(r"\d", UNKNOWN)
    assert "is not known" in advice_on_leavers(None, 12)
    assert not re.search(r"\d", advice_on_leavers(None, 12))


def test_advice_on_leavers_says_what_may_be_expected_of_them():
    sentence = advice_on_leavers(group(0.5, 40.0), 12)
    assert "50%" in sentence
    assert "spent 80 each" in sentence
    assert "480 may be expected from 12 such customers" in sentence
