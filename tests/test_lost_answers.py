"""A tracking server that does what it was asked for, and whose first answer to each request does not come.

MLflow asks again, as it does when its server is restarted. Nothing is there twice then.
"""

from collections import Counter

import mlflow
import pytest
from cycles import QUICK, shop_rows, write_shop
from mlflow.entities import LoggedModelStatus
from proxies import Proxy
from test_remote import RemoteStore, tracking_server

from contract.names import CYCLE_EXPERIMENT, EXPERIMENT, HISTORY_EXPERIMENT, MODEL

TRIALS = 3


@pytest.fixture(scope="module")
def address(tmp_path_factory, free_port, empty_database):
    folder = tmp_path_factory.mktemp("server")
    database = folder / "mlflow.db"
    database.write_bytes(empty_database.read_bytes())
    with tracking_server(f"sqlite:///{database}", folder, free_port()) as address:
        yield address


@pytest.fixture(scope="module")
def way(address):
    proxy = Proxy(address)
    proxy.lost.add(b"GET / HTTP/1.1")  # whether anybody listens is asked once
    proxy.losing = True
    yield proxy
    proxy.leave()


@pytest.fixture(scope="module")
def store(tmp_path_factory, way, address):
    """After a cycle that trained and promoted, and after an earlier training was deleted."""
    store = RemoteStore(tmp_path_factory.mktemp("client"), way.address)
    write_shop(store.folder / "in", shop_rows())
    done = store.run("cycle", "in", *QUICK, "--trials", str(TRIALS))
    assert "is champion" in done.stdout
    assert "View run" not in done.stdout
    client = mlflow.MlflowClient(address, address)
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    earlier = client.create_run(experiment, start_time=1, tags={"stage": "done"}).info.run_id
    client.set_terminated(earlier)
    champion = client.get_model_version_by_alias(MODEL, "champion")
    model_id = champion.source.removeprefix("models:/")
    client.create_model_version(MODEL, champion.source, earlier, model_id=model_id)
    assert "Versions that go: 3; that stay: 2" in store.run("prune", "--keep", "1").stdout
    return store


@pytest.fixture(scope="module")
def client(store, address):
    """Of the server itself, after all that was done through the proxy."""
    assert store.address != address
    return mlflow.MlflowClient(address, address)


def runs_of(client, experiment):
    return client.search_runs([client.get_experiment_by_name(experiment).experiment_id])


@pytest.mark.usefixtures("store")
def test_the_answers_were_lost(way):
    lost = {b" ".join(line.split()[:2]).rpartition(b"/mlflow/")[2] for line in way.lost}
    assert {
        b"runs/create",
        b"runs/log-batch",
        b"runs/outputs",
        b"logged-models",
        b"model-versions/create",
    } <= lost


def test_each_run_is_there_once_and_ended(client):
    assert Counter(run.info.status for run in runs_of(client, CYCLE_EXPERIMENT)) == {"FINISHED": 1}
    assert Counter(run.info.status for run in runs_of(client, HISTORY_EXPERIMENT)) == {"FINISHED": 1}
    trainings = runs_of(client, EXPERIMENT)
    assert Counter(run.info.status for run in trainings) == {"FINISHED": 1 + TRIALS + 1}
    assert len({run.info.run_name for run in trainings}) == len(trainings)


def test_the_model_and_its_version_are_there_once(client):
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    models = client.search_logged_models([experiment])
    assert [model.status for model in models] == [LoggedModelStatus.READY]
    versions = client.search_model_versions(f"name='{MODEL}'")
    assert [version.run_id for version in versions] == [models[0].source_run_id]


def test_the_next_call_finds_nothing_to_do(store):
    assert "Nothing new" in store.run("cycle", "in", *QUICK, "--trials", str(TRIALS)).stdout


def test_a_customer_is_forgotten_let_back_and_counted_again(store):
    who = shop_rows()[0][0]
    before = len({row[0] for row in shop_rows()})
    store.run("forget", who)
    words = ("score", "in", "--output", "scores.csv")
    store.run(*words)
    lines = (store.folder / "scores.csv").read_text().splitlines()
    assert len(lines) - 1 == before - 1
    store.run("forget", "--undo", who)
    store.run(*words)
    assert len((store.folder / "scores.csv").read_text().splitlines()) - 1 == before
