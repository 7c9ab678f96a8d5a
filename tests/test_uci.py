"""What the segments of the UCI Online Retail data are worth (seed 0); the figures are those that the issue asks for."""

import json

import numpy as np
import pytest

from training.clustering.sweep import Limits, choose, run_trials
from training.shop import Reading
from training.train import Assignment, Settings

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def shop(new_trained, uci_file):
    """A store with one model of the UCI data, from ten trials."""
    return new_trained("uci", lambda store: store.run("train", uci_file, "--trials", "10"))


@pytest.fixture(scope="module")
def metrics(shop):
    return json.loads(shop.artifact("summary.json").read_text())["metrics"]


def test_three_segments_each_worth_two_and_a_half_times_the_one_below(shop):
    medians = [row["median_Monetary"] for row in json.loads(shop.artifact("profiles.json").read_text())]
    assert len(medians) == 3
    assert min(np.divide(medians[1:], medians[:-1])) >= 2.5


def test_segments_are_stable_and_the_list_of_the_unusual_is_short(metrics):
    assert metrics["stability"] >= 0.9
    assert 0.01 <= metrics["anomaly_rate"] <= 0.02


def test_segments_explain_more_of_the_next_quarter_than_rfm_tiers(shop, metrics):
    assert metrics["forward_eta_squared_segments_log"] >= 0.235
    ahead = json.loads(shop.artifact("forward.json").read_text())["ahead"]
    difference, error = (ahead["rfm"][name] for name in ("difference", "standard_error"))
    assert difference >= 2 * error > 0
    difference, error = (ahead["rfm_same_sizes"][name] for name in ("difference", "standard_error"))
    assert difference >= -error


def test_a_hundred_trials_choose_the_same_number_of_segments(uci_shop, shop, tmp_path):
    reading, settings = Reading(), Settings(Limits())
    evaluate = Assignment(uci_shop(reading.returns), reading, settings).evaluator()
    trials = list(run_trials(evaluate, 100, 0, tmp_path / "journal", "many", settings.anomaly_rate))
    few = json.loads(shop.artifact("summary.json").read_text())["setting"]["k"]
    assert (few, choose(trials, evaluate, settings.anomaly_rate).winner.k) == (3, 3)
