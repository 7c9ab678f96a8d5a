"""Whose models are loaded: signed ones with code of this project, and no others, at every door; and the keys."""

import shutil
import stat
from pathlib import Path

import mlflow
import pytest
import yaml
from click.testing import CliRunner
from made_up import customers, register

from contract import known_code, signatures
from contract.integrity import TRUST_REGISTRY, digest_of
from contract.names import MODEL
from serving.champion import Unreadable, load_model
from training.cli import main
from training.errors import InputError
from training.store import registry

SHOP = {"lapsed": 60, "new": 40, "best": 30}
INTRUDER = """
from pathlib import Path
import mlflow
Path({marker!r}).write_text("I ran")

class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input

mlflow.models.set_model(Model())
"""


@pytest.fixture(scope="module")
def client(new_store, tmp_path_factory):
    with new_store(tmp_path_factory.mktemp("signatures")) as client:
        yield client


@pytest.fixture(scope="module")
def ours(client):
    return register(client, customers(**SHOP))


@pytest.fixture
def keys(tmp_path, monkeypatch):
    """A folder of keys that holds none yet."""
    folder = tmp_path / "keys"
    monkeypatch.setenv(signatures.KEYS, str(folder))
    return folder


def record(client, version):
    return client.get_model_version(MODEL, str(version))


def every_door(client, version):
    """What each door says of a version that it does not load."""
    with pytest.raises(InputError) as by_command:
        registry.load(client, version)
    with pytest.raises(Unreadable) as by_server:
        load_model(client.tracking_uri, record(client, version))
    return str(by_command.value), str(by_server.value)


@pytest.fixture(scope="module")
def intruder(client, tmp_path_factory):
    """A version that somebody registered who can write to the store, with code of their own: (its number, what that
    code leaves behind)."""
    folder = tmp_path_factory.mktemp("intruder")
    marker, code = folder / "marker", folder / "model.py"
    code.write_text(INTRUDER.format(marker=str(marker)))
    with mlflow.start_run(experiment_id="0") as run:
        logged = mlflow.pyfunc.log_model(name="model", python_model=str(code), pip_requirements=["mlflow"])
        version = mlflow.register_model(logged.model_uri, MODEL).version
    files = Path(mlflow.artifacts.download_artifacts(logged.model_uri))
    client.set_model_version_tag(MODEL, version, "sha256", digest_of(files))
    marker.unlink()
    assert run.info.run_id
    return int(version), marker


def test_what_a_training_registered_is_signed_and_loads(client, ours):
    found = record(client, ours)
    assert signatures.is_signed(found.tags["signature"], found.tags["sha256"], found.run_id)
    assert registry.load(client, ours)
    assert load_model(client.tracking_uri, found).version == ours


def test_code_of_someone_else_is_not_run_at_any_door(client, intruder):
    version, marker = intruder
    by_command, by_server = every_door(client, version)
    assert by_command.startswith(
        f"Version {version} is not loaded: no key that this machine trusts has signed it."
    )
    assert f"segments sign {version}" in by_command
    assert by_server == "no key that this machine trusts has signed it"
    assert not marker.exists()


def test_a_signature_does_not_make_unknown_code_known(client, intruder):
    version, marker = intruder
    refused = CliRunner().invoke(main, ["sign", str(version)])
    assert refused.exit_code == 2
    assert "its model.py is no code that this release knows" in refused.stderr
    found = record(client, version)
    client.set_model_version_tag(
        MODEL, str(version), "signature", signatures.sign(found.tags["sha256"], found.run_id)
    )
    by_command, by_server = every_door(client, version)
    client.delete_model_version_tag(MODEL, str(version), "signature")
    assert "its model.py is no code that this release knows" in by_command
    assert by_server == "its model.py is no code that this release knows"
    assert not marker.exists()


def test_who_trusts_the_registry_loads_what_is_there(client, intruder, monkeypatch):
    version, marker = intruder
    monkeypatch.setenv(TRUST_REGISTRY, "1")
    assert registry.load(client, version)
    assert marker.read_text() == "I ran"
    marker.unlink()


def test_a_signature_is_of_one_run_and_one_digest(client, ours):
    found = record(client, ours)
    own = signatures.sign(found.tags["sha256"], found.run_id)
    assert signatures.is_signed(own, found.tags["sha256"], found.run_id)
    assert not signatures.is_signed(own, found.tags["sha256"], "another run")
    assert not signatures.is_signed(own, "0" * 64, found.run_id)
    assert not signatures.is_signed("no base64!", found.tags["sha256"], found.run_id)
    assert not signatures.is_signed("AAAA", found.tags["sha256"], found.run_id)


def test_a_machine_that_only_serves_needs_the_trusted_keys(client, ours, keys, monkeypatch):
    trained_with = Path(signatures.keys_folder())
    assert trained_with == keys
    assert every_door(client, ours)[1] == "no key that this machine trusts has signed it"
    keys.mkdir()
    monkeypatch.undo()
    shutil.copy(signatures.keys_folder() / signatures.TRUSTED_KEYS, keys)
    monkeypatch.setenv(signatures.KEYS, str(keys))
    assert registry.load(client, ours)
    assert [path.name for path in keys.iterdir()] == [signatures.TRUSTED_KEYS]


def test_the_trusted_keys_may_lie_apart_from_the_key_that_signs(keys, tmp_path, monkeypatch):
    monkeypatch.setenv(signatures.TRUSTED, str(tmp_path / "public"))
    own = signatures.sign("digest", "run")
    assert [path.name for path in keys.iterdir()] == [signatures.PRIVATE_KEY]
    monkeypatch.setenv(signatures.KEYS, str(tmp_path / "nothing"))
    assert signatures.is_signed(own, "digest", "run")


def test_a_new_key_signs_and_the_one_before_is_trusted_until_its_line_is_gone(keys):
    old = signatures.sign("digest", "run")
    assert stat.S_IMODE((keys / signatures.PRIVATE_KEY).stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    shown = CliRunner().invoke(main, ["key", "--rotate"])
    new = signatures.sign("digest", "run")
    assert new != old
    assert signatures.public_key(signatures.signing_key()) in shown.stdout
    assert "2 in all" in shown.stdout
    assert signatures.is_signed(old, "digest", "run")
    assert signatures.is_signed(new, "digest", "run")
    lines = (keys / signatures.TRUSTED_KEYS).read_text().splitlines()
    (keys / signatures.TRUSTED_KEYS).write_text(f"# of this year\n{lines[1]}\n")
    assert not signatures.is_signed(old, "digest", "run")
    assert signatures.is_signed(new, "digest", "run")


def test_a_version_of_before_signatures_is_signed_by_a_command(client, ours):
    client.delete_model_version_tag(MODEL, str(ours), "signature")
    assert every_door(client, ours)[1] == "no key that this machine trusts has signed it"
    done = CliRunner().invoke(main, ["sign", str(ours)])
    assert done.stdout == f"Version {ours} is signed.\n"
    assert registry.load(client, ours)


def test_a_version_without_a_digest_is_not_signed(client, ours):
    digest = record(client, ours).tags["sha256"]
    client.delete_model_version_tag(MODEL, str(ours), "sha256")
    refused = CliRunner().invoke(main, ["sign", str(ours)])
    client.set_model_version_tag(MODEL, str(ours), "sha256", digest)
    assert refused.exit_code == 2
    assert "has no tag sha256" in refused.stderr


def test_keys_that_cannot_be_made_end_a_training_before_it_begins(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(signatures.KEYS, str(tmp_path / "file" / "keys"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orders.csv").write_text("customer,date,amount\na,2024-01-01,1\n")
    done = CliRunner().invoke(main, ["train", "orders.csv"])
    assert done.exit_code == 2
    assert "Not a directory" in done.stderr
    assert signatures.KEYS in done.stderr
    assert "Reading" not in done.stdout


def test_a_key_that_is_damaged_or_of_another_kind_is_told(keys):
    keys.mkdir()
    (keys / signatures.PRIVATE_KEY).write_text("nothing")
    with pytest.raises(signatures.KeyProblem, match="it is damaged"):
        signatures.signing_key()


@pytest.mark.parametrize(
    ("change", "unknown"),
    [
        (lambda files: (files / "helper.py").write_text("import os"), "helper.py"),
        (lambda files: (files / "artifacts" / "model.pkl").write_bytes(b"\x80\x04."), "model.pkl"),
        (lambda files: (files / "fast.SO").write_bytes(b"\x7fELF"), "fast.SO"),
        (lambda files: edit(files, lambda own: own["python_function"].update(code="code")), "MLmodel"),
        (lambda files: edit(files, lambda own: own.update(sklearn={})), "MLmodel"),
        (lambda files: edit(files, lambda own: own["python_function"].update(loader_module="os")), "MLmodel"),
        (
            lambda files: edit(
                files, lambda own: own["python_function"].update(model_code_path="/artifacts/scoring.py")
            ),
            "MLmodel",
        ),
        (
            lambda files: edit(
                files,
                lambda own: own["python_function"]["artifacts"]["segmenter"].update(path="../other.skops"),
            ),
            "MLmodel",
        ),
        (lambda files: (files / "MLmodel").write_text("]"), "MLmodel"),
    ],
)
def test_whatever_a_model_would_run_beside_our_code_is_found(client, ours, tmp_path, change, unknown):
    source = client.get_model_version_download_uri(MODEL, str(ours))
    files = Path(mlflow.artifacts.download_artifacts(source, dst_path=str(tmp_path)))
    shutil.rmtree(files / "__pycache__", ignore_errors=True)
    assert known_code.unknown_code(files) is None
    change(files)
    assert known_code.unknown_code(files) == unknown


def edit(files, change):
    text = yaml.safe_load((files / "MLmodel").read_text())
    change(text["flavors"])
    (files / "MLmodel").write_text(yaml.safe_dump(text))


def test_the_known_code_is_that_of_this_release():
    from hashlib import sha256

    from training.store import model
    from training.value import scoring

    for module in (model, scoring):
        digest = sha256(Path(module.__file__).read_bytes()).hexdigest()
        name = Path(module.__file__).name
        assert known_code.KNOWN_CODE.get(digest) == name, f'{name} has changed. Put "{digest}" in its place.'
