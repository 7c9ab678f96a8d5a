"""Promote and roll back, by command and by hand."""

import mlflow
import pytest

from contract.names import MODEL


@pytest.fixture
def shop(api_store, tmp_path):
    """Two versions trained on the demo shop; the first is champion."""
    return api_store.copy(tmp_path)


@pytest.fixture
def client(shop):
    return mlflow.MlflowClient(shop.environment["MLFLOW_TRACKING_URI"])


@pytest.fixture
def aliases(client):
    def read():
        return {name: int(number) for name, number in client.get_registered_model(MODEL).aliases.items()}

    return read


def test_training_registers_a_challenger_and_the_first_one_becomes_champion(aliases):
    assert aliases() == {"champion": 1, "challenger": 2}


def test_promote_shows_the_gate_and_remembers_the_one_before(shop, aliases):
    done = shop.run("promote", "--force", "other segments")
    assert "(bootstrap" in done.stdout
    assert aliases() == {"champion": 2, "challenger": 2, "previous": 1}


def test_rollback_swaps_and_swaps_back(shop, client, aliases):
    client.set_registered_model_alias(MODEL, "champion", "2")
    client.set_registered_model_alias(MODEL, "previous", "1")
    shop.run("rollback")
    assert aliases() == {"champion": 1, "challenger": 2, "previous": 2}
    shop.run("rollback")
    assert aliases() == {"champion": 2, "challenger": 2, "previous": 1}


def test_an_unknown_version_is_named_with_those_that_exist(shop):
    done = shop.run("promote", "9", check=False)
    assert done.returncode == 2
    assert "No model version '9'" in done.stderr
    assert "1, 2" in done.stderr


def test_rollback_without_a_previous_one_says_so(store):
    done = store.run("rollback", check=False)
    assert done.returncode == 2
    assert "no earlier champion" in done.stderr
