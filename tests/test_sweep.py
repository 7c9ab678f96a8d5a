import subprocess
import sys

import numpy as np
import pytest

from training.clustering.segmenter import standardise
from training.clustering.sweep import Evaluator, Limits, choose, run_trials
from training.errors import InputError

SEED = 4
USUAL = Limits()


def customers(n=240):
    """Three kinds of customers and a dozen that fit none of them."""
    random = np.random.default_rng(0)
    kinds = random.permuted(np.repeat([0, 1, 2], n // 3))
    points = np.array([[0, 0, 0], [4, 0, 0], [0, 4, 0]])[kinds] + random.normal(0, 0.4, size=(n, 3))
    strange = random.uniform(9, 20, size=(12, 3))
    return standardise(np.exp(np.concatenate([points, strange]) / 4))[1]


@pytest.fixture
def search(tmp_path):
    def run(trials=15, limits=USUAL, journal="study.journal", points=None):
        evaluate = Evaluator(customers() if points is None else points, limits, SEED)
        storage = journal if ":" in journal else tmp_path / journal
        return evaluate, run_trials(evaluate, trials, SEED, storage, "study")

    return run


def test_the_three_planted_kinds_are_found(search):
    evaluate, trials = search(25)
    choice = choose(list(trials), evaluate)
    assert choice.winner.k == 3
    assert choice.winner.metrics["stability"] > 0.95
    assert choice.winner.feasible


def test_the_winner_is_the_best_of_those_that_keep_the_limits(search):
    evaluate, trials = search(25)
    trials = list(trials)
    winner = choose(trials, evaluate).winner
    assert winner.metrics["silhouette"] == max(t.metrics["silhouette"] for t in trials if t.feasible)
    assert any(not t.feasible for t in trials)


def test_why_is_said_in_words_with_what_each_limit_cost(search):
    evaluate, trials = search(25)
    reasons = " ".join(choose(list(trials), evaluate).reasons)
    assert "has the highest silhouette" in reasons
    assert "The limit min_segments = 3 cost" in reasons


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
    evaluate, trials = search(8, Limits(min_share=0.45))
    with pytest.raises(InputError, match=r"None of 8 trials keeps the limits.*min_share \(0.45\) by 0\."):
        choose(list(trials), evaluate)


def test_the_next_best_has_its_turn_when_a_setting_is_not_stable(monkeypatch):
    evaluate = Evaluator(customers(), Limits(min_share=0.01, max_anomaly_rate=0.06), SEED)
    points = {
        (k, rate): evaluate(0, k, evaluate.eps(rate, 10), 10)
        for k in (3, 4)
        for rate in (0.01, 0.02, 0.03, 0.04)
    }
    best_first = sorted(points.values(), key=lambda t: -t.metrics["silhouette"])
    assert [t.k for t in best_first[:4]] == [4] * 4
    steadiness = {4: 0.5, 3: 0.9}
    monkeypatch.setattr("training.clustering.sweep.stability", lambda _, k, **_seed: steadiness[k])
    choice = choose(list(points.values()), evaluate)
    assert [t.k for t in choice.finalists] == [4, 3]
    assert "is not stable: 0.500" in " ".join(choice.reasons)


def test_few_distinct_customers_are_a_trial_that_misses_not_an_error():
    evaluate = Evaluator(np.repeat([[0.0], [1.0]], 40, axis=0), USUAL, SEED)
    assert "min_share" in evaluate(0, 3, 0.5, 5).missed


def test_segments_that_do_not_survive_resampling_are_refused(search):
    cloud = np.random.default_rng(0).normal(size=(250, 3))
    evaluate, trials = search(8, Limits(min_segments=6, min_stability=0.999), points=cloud)
    with pytest.raises(InputError, match="not stable"):
        choose(list(trials), evaluate)


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

for trial in run_trials(Telling(np.load(sys.argv[1]), Limits(), 4), 12, None, sys.argv[2], "study"):
    pass
"""


def test_two_processes_share_a_study(tmp_path):
    storage = f"sqlite:///{tmp_path}/study.db"
    np.save(tmp_path / "points.npy", customers())
    evaluate = Evaluator(customers(), USUAL, SEED)
    trials = run_trials(evaluate, 12, SEED, storage, "study")
    found = [next(trials)]
    command = [sys.executable, "-c", WORKER, tmp_path / "points.npy", storage]
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
    points = np.random.default_rng(0).normal(size=(60, 2))
    assert len(list(run_trials(Evaluator(points, Limits(), seed), 3, seed, tmp_path / "a.journal", "a"))) == 3
