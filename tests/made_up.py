"""Made-up customers in groups, and models of them that are really fitted, logged and registered, in a second each."""

import tempfile
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd

from contract.names import FEATURES
from training import identity
from training.clustering.evaluate import stability
from training.clustering.segmenter import Segmenter
from training.clustering.weights import DEFAULT_WEIGHTS, weights_of
from training.profiles import profile
from training.shop import digest
from training.states import shop_gap
from training.store import artifact, registry, tracking

# Recency, Frequency, AverageOrderValue, Tenure of the typical customer
LAPSED = (200, 1.5, 40, 260)
NEW = (12, 2, 90, 30)
BEST = (6, 25, 400, 340)
WHALE = (3, 400, 90_000, 370)
COOLING = (90, 8, 1_500, 350)


def customers(seed=0, spread=0.25, **groups):
    """One row a customer: `lapsed=100` are a hundred like LAPSED, give or take."""
    random = np.random.default_rng(seed)
    kinds = {"lapsed": LAPSED, "new": NEW, "best": BEST, "whale": WHALE, "cooling": COOLING}
    rows = np.concatenate(
        [kinds[name] * random.lognormal(0, spread, (count, 4)) for name, count in groups.items()]
    )
    recency, frequency = np.ceil(rows[:, 0]), np.ceil(rows[:, 1])
    value, tenure = rows[:, 2].round(2), np.ceil(np.maximum(rows[:, 3], rows[:, 0]))
    table = pd.DataFrame(
        np.column_stack([recency, frequency, value * frequency, value, tenure]), columns=FEATURES
    )
    table.insert(0, "customer_id", [f"c{n:04d}" for n in range(len(table))])
    return table


def fit(table, k=3, rate=0.019, features=FEATURES, seed=0, weights=DEFAULT_WEIGHTS):
    """A fitted segmenter, numbered by median Monetary, and its profiles."""
    segmenter = Segmenter(
        k,
        anomaly_rate=rate,
        min_samples=15,
        columns=[FEATURES.index(name) for name in features],
        weights=weights_of(features, weights),
        order_by=FEATURES.index("Monetary"),
        random_state=seed,
    ).fit(table[list(FEATURES)].to_numpy())
    return segmenter, profile(table, segmenter.labels_, segmenter.anomalies_, FEATURES)


def register(
    client,
    table,
    kind="real",
    k=3,
    rate=0.019,
    features=FEATURES,
    seed=0,
    aligned=True,
    weights=DEFAULT_WEIGHTS,
):
    """Register a model of `table` as a training would; its version. Not `aligned`: numbered as if alone."""
    segmenter, profiles = fit(table, k, rate, features, seed, weights)
    nobody = identity.Predecessor(None, None, "there is no champion")
    champion = registry.predecessor(client, kind, features, weights_of(features, weights))
    predecessor = champion if aligned else nobody
    segmenter, profiles, decided = identity.keep(segmenter, profiles, features, predecessor)
    run = mlflow.start_run(experiment_id=tracking.experiment_id(client))
    with run as parent, tempfile.TemporaryDirectory() as folder:
        path = artifact.write(
            Path(folder) / "segmenter.skops",
            segmenter,
            FEATURES,
            profiles.name,
            np.ones(5),
            shop_gap(table),
        )
        numbers = table[list(FEATURES)]
        uri, answers = registry.log_model(client, path, numbers, ["mlflow"], {})
        registry.check_answers(answers, segmenter.labels_, segmenter.anomalies_)
        tracking.log_files({"data/features.parquet": table})
        points = segmenter.scaler_.transform(np.log1p(numbers[list(features)].to_numpy()))
        points = points * segmenter.weights_
        steady = stability(points[~segmenter.anomalies_], k, refits=3, n_init=1)
        tags = {"data": kind, "data_digest": digest(table), "stability": str(steady)} | decided.tags()
        version = registry.register(client, parent.info.run_id, uri, tags, "made up")
    registry.challenge(client, version)
    return version
