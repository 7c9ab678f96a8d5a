import subprocess
import sys

import numpy as np
import pytest

from training.clustering.evaluate import silhouette
from training.clustering.kmeans import k_means, nearest
from training.clustering.segmenter import standardise
from training.clustering.sweep import (
    MIN_SAMPLES,
    Evaluator,
    Limits,
    Trial,
    choose,
    first_settings,
    run_trials,
    untried,
    value_step,
)
from training.errors import InputError

SEED = 4
USUAL = Limits(max_anomaly_rate=0.05)
RATE = 0.0476  # a list of the dozen
SIX = Limits(max_segments=6, max_anomaly_rate=0.05)
WORTH = (10.0, 100.0, 1_000.0)  # of each kind


def customers(n=240):
    """Three kinds of customers and a dozen that fit none of them: points, and what each spent."""
    random = np.random.default_rng(0)
    kinds = random.permuted(np.repeat([0, 1, 2], n // 3))
    points = np.array([[0, 0, 0], [4, 0, 0], [0, 4, 0]])[kinds] + random.normal(0, 0.4, size=(n, 3))
    strange = random.uniform(9, 20, size=(12, 3))
    spent = np.concatenate([np.array(WORTH)[kinds], np.full(12, 50.0)])
    return standardise(np.exp(np.concatenate([points, strange]) / 4))[1], spent


def evaluator(points=None, limits=USUAL, worth=None, seed=SEED, weights=None):
    """What answers for any setting on `points`, each of another worth when that is not given."""
    if points is None:
        points, worth = customers()
    worth = np.arange(1.0, 1 + len(points)) if worth is None else worth
    return Evaluator(points, points if weights is None else points * weights, worth, limits, seed)


@pytest.fixture
def search(tmp_path):
    def run(trials=15, limits=USUAL, journal="study.journal", points=None, rate=RATE):
        evaluate = evaluator(points, limits)
        storage = journal if ":" in journal else tmp_path / journal
        return evaluate, run_trials(evaluate, trials, SEED, storage, "study", rate)

    return run


def test_the_three_planted_kinds_are_found(search):
    evaluate, trials = search(25)
    choice = choose(list(trials), evaluate, RATE)
    assert choice.winner.k == 3
    assert choice.winner.metrics["stability"] > 0.95
    assert choice.winner.feasible
    assert choice.rejected == ""
    assert np.flatnonzero(evaluate.anomalies(choice.winner)).tolist() == list(range(240, 252))


def test_each_number_of_segments_is_tried_once_lowest_first_at_the_wanted_rate(search):
    evaluate, trials = search(14)
    first = list(trials)[:10]
    assert [trial.k for trial in first] == list(range(3, 13))
    assert {trial.min_samples for trial in first} == {20}
    assert {trial.eps for trial in first} == {evaluate.eps(RATE, 20)}
    assert {trial.metrics["anomaly_rate"] for trial in first} == {round(RATE * 252) / 252}


def test_min_samples_sees_a_dozen_who_look_alike(search):
    _, trials = search(20)
    sizes = {trial.min_samples for trial in trials}
    assert MIN_SAMPLES == (15, 25)
    assert sizes <= set(range(15, 26))
    assert len(sizes) > 3


def test_few_trials_say_which_numbers_of_segments_were_not_tried(search):
    evaluate, trials = search(4)
    choice = choose(list(trials), evaluate, RATE)
    assert choice.reasons[-1] == (
        "7 to 12 segments were not tried: there were 4 trials, and trying each number of segments once takes 10. "
        "More trials may choose another number."
    )


def test_nothing_is_said_to_be_untried_when_each_number_of_segments_was(search):
    evaluate, trials = search(4, SIX)
    trials = list(trials)
    assert untried(trials, SIX) == []
    assert untried(trials[:3], SIX)[0].startswith("6 segments were not tried: there were 3 trials")
    assert "tried" not in choose(trials, evaluate, RATE).reasons[-1]


def test_the_highest_silhouette_of_a_trial_within_the_limits_chooses_the_number_of_segments(search):
    evaluate, trials = search(25)
    trials = list(trials)
    winner = choose(trials, evaluate, RATE).winner
    best = max((t for t in trials if t.feasible), key=lambda t: t.metrics["silhouette"])
    assert winner.k == best.k
    assert any(not t.feasible for t in trials)


@pytest.mark.parametrize("wanted", [0.0125, 0.025, 0.05])
def test_of_the_trials_of_that_number_the_anomaly_rate_nearest_to_the_wanted_wins(wanted):
    points, worth = customers()
    evaluate = evaluator(points[:240], Limits(max_anomaly_rate=0.06), worth[:240])
    trials = [evaluate(n, 3, evaluate.eps(n / 240, 20), 20) for n in range(2, 15)]
    assert all(trial.feasible for trial in trials)
    choice = choose(trials, evaluate, wanted)
    assert choice.winner.number == 240 * wanted
    assert f"flags {wanted:.2%} of customers, the nearest to the wanted {wanted:.2%}" in choice.reasons[1]


def test_of_rates_that_are_as_near_the_one_whose_flags_hold_wins(monkeypatch):
    """min_samples says which customers are flagged; the share of them is the same."""
    evaluate = evaluator(np.random.default_rng(3).normal(size=(200, 3)))
    trials = [evaluate(number, 3, evaluate.eps(0.05, size), size) for number, size in enumerate((15, 20, 25))]
    trials = [t if t.feasible else Trial(t.number, t.k, t.eps, t.min_samples, t.metrics, {}) for t in trials]
    assert len({evaluate.anomalies(t).tobytes() for t in trials}) == 3
    assert len({t.metrics["anomaly_rate"] for t in trials}) == 1
    monkeypatch.setattr(Evaluator, "stability", lambda *_: 1.0)
    measured = {t.number: evaluate.flag_reproducibility(t) for t in trials}
    winner = choose(trials, evaluate, 0.05).winner
    assert len(set(measured.values())) == 3
    assert measured[winner.number] == max(measured.values()) == winner.metrics["flag_reproducibility"]


def test_leaving_customers_out_cannot_raise_the_silhouette_that_chooses():
    """Two groups and a bridge between them: without the bridge the groups look far apart, but they are not."""
    random = np.random.default_rng(1)
    groups = np.array([[0.0, 0.0], [6.0, 0.0]])[np.repeat([0, 1], 100)] + random.normal(0, 0.3, (200, 2))
    bridge = np.column_stack([np.linspace(2, 4, 8), np.linspace(-2, 2, 8)])
    evaluate = evaluator(np.concatenate([groups, bridge]), Limits(min_segments=2))
    everyone, fewer = (evaluate(0, 2, eps, 15) for eps in (99.0, evaluate.eps(8 / 208, 15)))
    assert everyone.metrics["anomaly_rate"] == 0
    assert evaluate.anomalies(fewer)[-8:].all()
    assert evaluate.ordinary_silhouette(fewer) > evaluate.ordinary_silhouette(everyone) + 0.02
    assert fewer.metrics["silhouette"] == pytest.approx(everyone.metrics["silhouette"], abs=0.002)
    assert everyone.metrics["silhouette"] == evaluate.ordinary_silhouette(everyone)


def test_many_customers_trials_are_no_worse_than_k_means_of_their_own():
    """Above 20,000 customers the trials of a k go on from one outcome; each could have made restarts of its own."""
    random = np.random.default_rng(2)
    points = standardise(random.lognormal(size=(22_000, 5)))[1]
    evaluate = evaluator(points, Limits())
    for k in (3, 9):
        for rate, min_samples in ((0.005, 15), (0.015, 20), (0.04, 25)):
            trial = evaluate(0, k, evaluate.eps(rate, min_samples), min_samples)
            ordinary = points[~evaluate.anomalies(trial)]
            own = k_means(ordinary, k, 10, 0).inertia
            assert trial.metrics["inertia"] <= own * (1 + 1e-4), (k, rate)
            score = silhouette(points, nearest(points, evaluate.centres(trial))[0], exact_up_to=len(points))
            off = abs(trial.metrics["silhouette"] - score.value)
            assert 0 < off < 4 * trial.metrics["silhouette_se"]


def test_trials_of_many_customers_do_not_depend_on_what_was_tried_before():
    points = standardise(np.random.default_rng(2).lognormal(size=(21_000, 3)))[1]
    settings = [(3, 0.01), (4, 0.02), (3, 0.02)]
    answers = []
    for order in (settings, settings[::-1]):
        evaluate = evaluator(points)
        answers.append({(k, rate): evaluate(0, k, evaluate.eps(rate, 20), 20).metrics for k, rate in order})
    assert answers[0] == answers[1]


def test_a_value_step_is_the_least_of_the_medians_over_the_one_below():
    labels = np.array([2, 2, 2, 0, 0, 0, 1, 1])
    worth = np.array([1.0, 10.0, 99.0, 25.0, 20.0, 30.0, 100.0, 100.0])  # medians 10, 25 and 100
    assert value_step(labels, worth, 3) == 2.5
    assert value_step(labels, worth, 4) == 2.5  # a segment without customers has no median
    assert value_step(np.zeros(8, int), worth, 1) == 1
    assert value_step(labels, np.zeros(8), 3) == 1
    assert value_step(labels, np.where(labels == 2, 0, worth), 3) == 4  # from nothing to 25 is a step
    assert value_step(np.array([0, 1]), np.array([0.0, 5.0]), 2) == 1e6


def test_segments_that_are_worth_the_same_miss_the_value_step_by_so_much():
    points, worth = customers()
    alike = evaluator(points, USUAL, np.where(worth == 100, 11.0, worth))
    trial = alike(0, 3, alike.eps(RATE, 20), 20)
    assert trial.metrics["value_step"] == 1.1
    assert trial.missed == {"min_value_step": pytest.approx(0.15)}
    choice = choose([trial], alike, RATE)
    assert "misses min_value_step (1.25) by 0.15" in choice.rejected
    off = evaluator(points, Limits(max_anomaly_rate=0.05, min_value_step=1), alike.worth)
    assert off(0, 3, alike.eps(RATE, 20), 20).missed == {}


def test_weights_count_in_k_means_and_not_in_dbscan():
    points, worth = customers()
    plain, weighted = (evaluator(points, worth=worth, weights=np.array([1, w, 1])) for w in (1, 0.01))
    assert np.array_equal(plain.threshold(20), weighted.threshold(20))
    eps = plain.eps(RATE, 20)
    one, other = plain(0, 3, eps, 20), weighted(0, 3, eps, 20)
    assert one.metrics["anomaly_rate"] == other.metrics["anomaly_rate"]
    assert one.metrics["silhouette"] != other.metrics["silhouette"]
    assert weighted.centres(other)[:, 1] == pytest.approx(0, abs=0.05)


def test_why_is_said_in_words_with_what_each_limit_cost(search):
    evaluate, trials = search(25, Limits(max_anomaly_rate=0.05, min_share=0.2))
    reasons = choose(list(trials), evaluate, RATE).reasons
    assert reasons[0].startswith("3 segments have the highest silhouette of all customers, 0.")
    assert "flags 4.76% of customers, the nearest to the wanted 4.76%." in reasons[1]
    assert any(reason.startswith("The limit min_share = 0.2 cost") for reason in reasons)


def test_eps_stands_for_its_anomaly_rate(search):
    evaluate, trials = search(10)
    for trial in trials:
        assert trial.metrics["anomaly_rate"] == evaluate.anomalies(trial).mean()
        assert 0 <= trial.metrics["anomaly_rate"] <= 0.11


def test_an_interrupted_study_goes_on_as_if_it_had_not_been(search):
    _, whole = search(12, journal="whole.journal")
    whole = [(t.k, t.eps, t.min_samples) for t in whole]

    _, first_half = search(12, journal="cut.journal")
    for _ in range(5):
        next(first_half)
    first_half.close()
    _, resumed = search(12, journal="cut.journal")
    assert [(t.k, t.eps, t.min_samples) for t in resumed] == whole


def test_a_trial_that_was_running_when_the_power_went_is_not_counted(search, tmp_path):
    import optuna

    _, whole = search(8, journal="whole.journal")
    whole = [(t.k, t.eps, t.min_samples) for t in whole]
    _, some = search(8, journal="cut.journal")
    for _ in range(4):
        next(some)
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(tmp_path / "cut.journal"))
    )
    optuna.load_study(study_name="study", storage=storage).ask()  # and never told
    _, resumed = search(8, journal="cut.journal")
    assert [(t.k, t.eps, t.min_samples) for t in resumed] == whole


def test_no_feasible_trial_names_the_limit_and_by_how_much(search):
    evaluate, trials = search(8, Limits(min_share=0.45, max_anomaly_rate=0.05))
    choice = choose(list(trials), evaluate, RATE)
    assert choice.rejected.startswith("None of 8 trials keeps the limits; the nearest (k=3, ")
    assert "misses min_share (0.45) by 0." in choice.rejected
    assert choice.winner.k == 3
    assert choice.winner.metrics["stability"] > 0.95  # the best of those that may not be used


def test_the_next_best_has_its_turn_when_a_setting_is_not_stable(monkeypatch):
    points, _ = customers()
    evaluate = evaluator(points[:240], Limits(min_share=0.01, max_anomaly_rate=0.06, min_value_step=1))
    trials = [evaluate(0, k, evaluate.eps(rate, 20), 20) for k in (3, 4) for rate in (0.01, 0.02, 0.03, 0.04)]
    assert max(trials, key=lambda t: t.metrics["silhouette"]).k == 3
    steadiness = {3: 0.5, 4: 0.9}
    monkeypatch.setattr("training.clustering.sweep.stability", lambda _, k, **_seed: steadiness[k])
    choice = choose(trials, evaluate, 0.02)
    assert [t.k for t in choice.finalists] == [3, 3, 4]
    assert "is not stable: 0.500" in " ".join(choice.reasons)


def test_few_distinct_customers_are_a_trial_that_misses_not_an_error():
    evaluate = evaluator(np.repeat([[0.0], [1.0]], 40, axis=0))
    assert "min_share" in evaluate(0, 3, 0.5, 5).missed


def test_segments_that_do_not_survive_resampling_are_refused(search):
    cloud = np.random.default_rng(0).normal(size=(250, 3))
    loose = Limits(min_segments=6, min_stability=0.999, min_value_step=1, max_anomaly_rate=0.05)
    evaluate, trials = search(8, loose, points=cloud)
    choice = choose(list(trials), evaluate, RATE)
    assert choice.rejected.endswith("(adjusted Rand index). Expected at least 0.999.")
    assert "are not stable: the steadiest (k=" in choice.rejected
    steadiest = max(choice.finalists, key=lambda t: t.metrics["stability"])
    assert choice.winner == steadiest
    assert len(choice.finalists) > 2


def test_the_first_settings_are_only_asked_where_there_is_a_seed(tmp_path):
    """Another process that helps with a study must not try the same settings again."""
    evaluate = evaluator()
    helped = list(run_trials(evaluate, 6, None, tmp_path / "study.journal", "study", RATE))
    assert [trial.k for trial in helped] != [setting["k"] for setting in first_settings(USUAL, RATE)][:6]


def told(trials):
    return [(t.number, t.k, t.eps, t.min_samples, t.metrics, t.excess) for t in trials]


def test_a_database_gives_one_process_the_trials_of_a_journal(search, tmp_path):
    _, alone = search(6)
    _, stored = search(6, journal=f"sqlite:///{tmp_path}/study.db")
    alone, stored = told(alone), told(stored)
    assert stored == alone
    _, again = search(6, journal=f"sqlite:///{tmp_path}/study.db")
    assert told(again) == alone


WORKER = """
import sys
import numpy as np
from training.clustering.sweep import Evaluator, Limits, run_trials

class Telling(Evaluator):
    def _fit(self, *setting):
        print("fitted", flush=True)
        return super()._fit(*setting)

points, worth = np.load(sys.argv[1])["points"], np.load(sys.argv[1])["worth"]
limits = Limits(max_anomaly_rate=0.05)
for trial in run_trials(Telling(points, np.ones(3), worth, limits, 4), 12, None, sys.argv[2], "study", 0.0476):
    pass
"""


def test_two_processes_share_a_study(tmp_path):
    storage = f"sqlite:///{tmp_path}/study.db"
    points, worth = customers()
    np.savez(tmp_path / "shop.npz", points=points, worth=worth)
    evaluate = evaluator()
    trials = run_trials(evaluate, 12, SEED, storage, "study", RATE)
    found = [next(trials)]
    command = [sys.executable, "-c", WORKER, tmp_path / "shop.npz", storage]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout.readline() == "fitted\n"
        found += trials
        theirs = 1 + len(list(worker.stdout))
    assert 12 <= len({t.number for t in found}) == len(found) <= 13
    assert 0 < theirs < len(found)  # the first trial was run here
    for trial in found:
        again = evaluate(trial.number, trial.k, trial.eps, trial.min_samples)
        assert (again.metrics, again.excess) == (trial.metrics, trial.excess)


def test_a_database_that_cannot_be_opened_is_said(search):
    for address in ("nonsense:", "sqlite:////no/such/folder/study.db", "unknown://host/name"):
        _, trials = search(1, journal=address)
        with pytest.raises(
            InputError, match=r"--storage cannot be opened.*Expected the address of a database"
        ):
            next(trials)


@pytest.mark.parametrize("seed", [20261125, 2**31 - 1])
def test_a_large_seed_is_one(tmp_path, seed):
    evaluate = evaluator(np.random.default_rng(0).normal(size=(60, 2)), seed=seed)
    assert len(list(run_trials(evaluate, 12, seed, tmp_path / "a.journal", "a", RATE))) == 12
