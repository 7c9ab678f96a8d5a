"""Another user of the machine, who may read a project and not write it: reading works, all else is refused in words."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from test_forget import SHOP, customers, train_with_addresses

OWNER = 65534  # of the project; who runs the tests is the other one
# Root without its rights over the files of others, so that it is a user as any other.
WITHOUT_RIGHTS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
ASK = """
import json, sys
from click.testing import CliRunner
from training.cli import main
answers = []
for words in json.load(sys.stdin):
    done = CliRunner().invoke(main, words)
    crashed = done.exception is not None and not isinstance(done.exception, SystemExit)
    answers.append([done.exit_code, repr(done.exception) if crashed else done.output])
json.dump(answers, sys.stdout)
"""
BROWSE = """
import json, sys
from serving import create_app
app = create_app()
app.extensions["champion"].current(wait=60)
answers = [app.test_client().get(path) for path in json.load(sys.stdin)]
json.dump([[answer.status_code, answer.text] for answer in answers], sys.stdout)
"""

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root may give files to another user"
)


@pytest.fixture(scope="module")
def project(new_trained):
    """A project of another user, with kept e-mail addresses, which everybody may read; and that user's keys."""
    with tempfile.TemporaryDirectory(prefix="segments-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        store = new_trained("kept", train_with_addresses).copy(folder / "project")
        store.folder.chmod(0o755)
        keys = folder / "keys"
        shutil.copytree(os.environ["SEGMENTS_KEYS"], keys)
        shutil.copy(keys / "trusted-keys", folder)
        (folder / "trusted-keys").chmod(0o644)
        (folder / "own").mkdir()
        for path in (store.folder, *store.folder.rglob("*"), keys, *keys.iterdir()):
            os.chown(path, OWNER, OWNER)
        yield store


def as_other(store, script, asked):
    """What the other user gets for each of `asked`: (code, text)."""
    folder = store.folder.parent
    environment = store.environment | {
        "HOME": str(folder / "own"),
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "SEGMENTS_KEYS": str(folder / "keys"),
        "SEGMENTS_TRUSTED_KEYS": str(folder / "trusted-keys"),
    }
    done = subprocess.run(
        [*WITHOUT_RIGHTS, sys.executable, "-c", script],
        cwd=store.folder,
        env=environment,
        input=json.dumps(asked),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def snapshot(folder):
    """Path, size and time of every file."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


def test_commands_that_read_work_and_those_that_write_are_refused_in_words(project):
    before, out = snapshot(project.folder), project.folder.parent / "own"
    reading = [
        ["score", SHOP, "--output", str(out / "scores.csv")],
        ["history"],
        ["audience", "--output", str(out / "list.csv")],
    ]
    unreadable = [["audience", "--for", "mailchimp", "--output", str(out / "mail.csv")]]
    writing = [
        ["train", SHOP, "--trials", "2"],
        ["cycle", SHOP, "--always", "--trials", "2"],
        ["promote", "1"],
        ["rollback"],
        ["forget", "somebody"],
        ["prune", "--keep", "1"],
        ["key"],
        ["key", "--rotate"],
        ["sign", "1"],
    ]
    answers = as_other(project, ASK, [*reading, *unreadable, *writing])
    told = dict(zip(map(" ".join, [*reading, *unreadable, *writing]), answers, strict=True))
    codes = {words: code for words, (code, _) in told.items()}
    assert codes == dict.fromkeys(map(" ".join, reading), 0) | dict.fromkeys(
        map(" ".join, [*unreadable, *writing]), 2
    ), told
    (refused,) = (told[" ".join(words)][1] for words in unreadable)
    assert "kept.parquet cannot be read: Permission denied" in refused
    for words in writing:
        assert "Make it" in told[" ".join(words)][1], told[" ".join(words)]
    assert "email" not in (out / "list.csv").read_text().splitlines()[0]
    assert snapshot(project.folder) == before


def test_the_api_answers_without_what_only_the_owner_may_read(project):
    who = customers(project).customer_id[0]
    paths = ["/health", "/analytics/customers", f"/analytics/customers/{who}", "/ui/customers"]
    answers = as_other(project, BROWSE, paths)
    assert [code for code, _ in answers] == [200] * len(paths)
    assert "kept.parquet cannot be read: Permission denied" in json.loads(answers[1][1])["without_kept"]
    assert not [text for _, text in answers if "@shop.test" in text]


def test_only_the_owner_may_read_kept_columns_and_keys(project):
    keys = project.folder.parent / "keys"
    people = project.folder / "data" / "people"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (people, people / "kept.parquet")}
    assert modes == {"people": 0o700, "kept.parquet": 0o600}
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert stat.S_IMODE((keys / "signing-key.pem").stat().st_mode) == 0o600
