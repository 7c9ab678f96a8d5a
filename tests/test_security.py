"""What is stored and served is what was registered; no file can run code, or fill the memory, by being read."""

import ast
import gzip
import shutil
import stat
import zipfile
from pathlib import Path

import click.testing
import pytest
import skops.io

from contract.integrity import digest_of
from serving import champion
from training import score
from training.errors import InputError
from training.reading import bombs
from training.reading.textfile import load
from training.reading.workbook import Headers
from training.reading.workbook import load as load_workbook

ROOT = Path(__file__).parents[1]
SOURCES = [path for room in ("training", "serving") for path in sorted((ROOT / room).rglob("*.py"))]
PICKLES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}


# No pickle, and no other way of running what was read


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_code_path_reads_pickles_or_runs_texts(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {name.split(".")[0] for name in names} & PICKLES
        if isinstance(node, ast.Attribute):
            assert node.attr not in ("read_pickle", "to_pickle")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            # The shipped model runs the one file of formulas that was logged with it, and that its digest covers.
            allowed = {"exec"} if path.name == "model.py" and "compile" in ast.dump(node) else set()
            assert node.func.id not in {"eval", "exec"} - allowed
        if isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "shell"):
            assert isinstance(node.value, ast.Constant)
            assert node.value.value is False


def test_no_artifact_of_a_training_holds_a_pickle(api_store):
    files = [path for path in (api_store.folder / "mlruns" / "artifacts").rglob("*") if path.is_file()]
    assert any(path.name == "segmenter.skops" for path in files)
    for path in files:
        assert path.suffix not in (".pkl", ".pickle", ".joblib", ".pt")
        if zipfile.is_zipfile(path):
            names = zipfile.ZipFile(path).namelist()
            assert {Path(name).suffix for name in names} <= {".json", ".npy"}
            for name in names:
                if name.endswith(".npy"):
                    assert (
                        b"'|O'" not in zipfile.ZipFile(path).read(name)[:128]
                    )  # objects are stored as pickles
        else:
            assert not path.read_bytes().startswith(tuple(bytes([0x80, version]) for version in range(2, 6)))


# Tampered models


class Foreign:
    """A type that the model has no use for."""


def truncate(model):
    artifact = model / "artifacts" / "segmenter.skops"
    artifact.write_bytes(artifact.read_bytes()[:-500])


def swap_type(model):
    skops.io.dump({"features": Foreign()}, model / "artifacts" / "segmenter.skops")


def edit_mlmodel(model):
    path = model / "MLmodel"
    path.write_text(path.read_text().replace("model_code_path: model.py", "model_code_path: other.py"))
    (model / "other.py").write_text("raise SystemExit('code that nobody registered was run')\n")


def edit_code(model):
    with (model / "model.py").open("a") as file:
        file.write("raise SystemExit('code that nobody registered was run')\n")


@pytest.fixture(scope="module")
def sealed(api_store):
    """A copy of a version's model, as it was registered, and the record of that version."""
    import mlflow

    address = api_store.environment["MLFLOW_TRACKING_URI"]
    client = mlflow.MlflowClient(address, address)
    found = client.get_model_version("customer-segments", "2")
    place = client.get_model_version_download_uri("customer-segments", "2").removeprefix("file://")
    return address, found, Path(place)


@pytest.fixture
def registered(sealed, tmp_path):
    """The model's folder in the registry, put back afterwards."""
    _, _, place = sealed
    shutil.copytree(place, tmp_path / "whole")
    yield place
    shutil.rmtree(place)
    shutil.copytree(tmp_path / "whole", place)


@pytest.fixture
def segments(api_store, monkeypatch):
    """Runs `segments ARGUMENTS` in this process, on `api_store`."""
    import mlflow

    from training.cli import main

    monkeypatch.chdir(api_store.folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", api_store.environment["MLFLOW_TRACKING_URI"])
    mlflow.set_tracking_uri(None)
    yield lambda *words: click.testing.CliRunner().invoke(main, words)
    mlflow.set_tracking_uri(None)


@pytest.mark.parametrize("tamper", [truncate, swap_type, edit_mlmodel, edit_code])
def test_a_tampered_model_is_refused_by_every_command_that_loads_it(sealed, registered, segments, tamper):
    tamper(registered)
    for command in (
        ["score", "data/raw/demo.csv.gz", "-o", "out.csv", "--model", "2"],
        ["serve", "--model", "2"],
    ):
        done = segments(*command)
        assert done.exit_code == 2
        assert "The files of model version 2 are not those that were registered" in done.output
    promoted = segments("promote", "2")
    assert promoted.exit_code == 1
    assert "not those that were registered" in promoted.output
    address, found, _ = sealed
    with pytest.raises(champion.Unreadable, match="its model's files are not those that were registered"):
        champion.load(address, found)


def test_the_scoring_endpoint_refuses_a_tampered_model(api_store, registered, monkeypatch):
    import mlflow

    from serving.scoring import create_app

    monkeypatch.setenv("SEGMENTS_MODEL", "models:/customer-segments/2")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", api_store.environment["MLFLOW_TRACKING_URI"])
    mlflow.set_tracking_uri(None)
    edit_code(registered)
    follower = create_app().follower
    follower.stop()
    follower.look()
    assert follower.snapshot is None
    assert "its model's files are not those that were registered" in follower.problem


def test_compiled_code_planted_beside_the_model_is_not_run(sealed, registered, tmp_path):
    import py_compile

    evil = tmp_path / "evil.py"
    evil.write_text("raise SystemExit('code that nobody registered was run')\n")
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    (registered / "__pycache__").mkdir(exist_ok=True)
    for tag in ("cpython-311", "cpython-312", "cpython-313"):
        py_compile.compile(
            str(evil), str(registered / "__pycache__" / f"model.{tag}.pyc"), invalidation_mode=mode
        )
    address, found, _ = sealed
    assert len(champion.load(address, found)) > 0


def test_a_foreign_type_in_the_artifact_is_refused_by_the_model_itself(tmp_path):
    skops.io.dump({"features": Foreign()}, tmp_path / "segmenter.skops")
    with pytest.raises(skops.io.exceptions.UntrustedTypesFoundException, match="Foreign"):
        skops.io.load(tmp_path / "segmenter.skops")


def test_a_version_carries_the_digest_of_its_files(sealed):
    _, found, place = sealed
    assert found.tags["sha256"] == digest_of(place)


# Bombs, really built


SHEET = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def workbook(path, rows, texts=""):
    """The smallest .xlsx of one sheet with these rows, as XML."""
    relation = '<Relationships xmlns="{0}/relationships"><Relationship Id="r1" Type="{1}/{2}" Target="{3}"/></Relationships>'
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"/>',
        "_rels/.rels": relation.format(PACKAGE, OFFICE, "officeDocument", "xl/workbook.xml"),
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets><sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": relation.format(PACKAGE, OFFICE, "worksheet", "worksheets/sheet1.xml"),
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{texts}</sst>',
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            before, after = SHEET.split("{}")
            sheet.write(before.encode())
            for row in rows:
                sheet.write(row)
            sheet.write(after.encode())
    return path


ANY = Headers(is_header=lambda _: True, is_open=lambda _: False, known=len)


def refused_workbook(path):
    assert path.stat().st_size < 2_000_000
    with pytest.raises(InputError) as caught:
        load_workbook(path, ANY)
    return str(caught.value)


def test_the_smallest_workbook_is_read(tmp_path):
    path = workbook(
        tmp_path / "a.xlsx", [b'<row r="1"><c r="A1"><v>7</v></c></row><row><c><v>8</v></c></row>']
    )
    assert load_workbook(path, ANY).to_pydict() == {"7": ["8"]}


def test_a_workbook_that_unpacks_to_a_thousand_times_its_size_is_refused(tmp_path, monkeypatch):
    assert bombs.PARTS == 1_000_000_000
    monkeypatch.setattr(bombs, "PARTS", 50_000_000)  # a bomb for the real limit takes ten seconds to build
    path = workbook(tmp_path / "bomb.xlsx", [bytes(1_000_000)] * 60)
    assert path.stat().st_size < 70_000
    assert "holds 60 MB. Expected at most 50 MB unpacked" in refused_workbook(path)


@pytest.mark.parametrize(
    ("rows", "cells"),
    [
        (
            b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
            "17,179,869,184",
        ),
        (b'<row r="1"><c r="ZZZZZ9"/></row>', "111,209,670"),
        (b"<x:row><x:c r = 'XFD1'/></x:row><x:row r='1048576'/>", "17,179,869,184"),
        (b"<row>" + b"<c/>" * 60_000 + b"</row>" + b"<row/>" * 1_000, "60,060,000"),
    ],
)
def test_a_cell_at_the_far_corner_does_not_fill_the_memory(tmp_path, rows, cells):
    assert f"holds {cells} cells. Expected at most 50,000,000" in refused_workbook(
        workbook(tmp_path / "far.xlsx", [rows])
    )


def test_one_long_text_in_very_many_cells_is_refused(tmp_path):
    rows = [b"<row>" + b'<c t="s"><v>0</v></c>' * 10 + b"</row>"] * 20_000
    path = workbook(tmp_path / "laughs.xlsx", rows, f"<si><t>{'ha' * 15_000}</t></si>")
    assert "MB of text. Expected at most 4,000 MB" in refused_workbook(path)


def test_a_workbook_that_lies_about_its_size_is_refused(tmp_path):
    path = workbook(tmp_path / "lie.xlsx", [bytes(1_000_000)] * 20)
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        true = archive.getinfo("xl/worksheets/sheet1.xml").file_size
    path.write_bytes(content.replace(true.to_bytes(4, "little"), (1_000).to_bytes(4, "little")))
    assert "cannot be opened as a workbook" in refused_workbook(path)


def link(path, name, target):
    """Add a symbolic link to an archive, as Unix's zip stores it: a file whose content is the target."""
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(entry, str(target))


def test_links_in_a_workbook_are_never_made_or_followed(tmp_path):
    secret = tmp_path / "secret.xml"
    secret.write_text(SHEET.format("<row><c><v>1</v></c></row><row><c><v>2</v></c></row>"))
    path = workbook(tmp_path / "a.xlsx", [b"<row><c><v>7</v></c></row><row><c><v>8</v></c></row>"])
    for name in ("xl/media/image1.png", "../outside", str(tmp_path / "absolute")):
        link(path, name, secret)
    assert load_workbook(path, ANY).to_pydict() == {"7": ["8"]}

    inside = tmp_path / "b.xlsx"
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(inside, "w") as archive:
        for name in whole.namelist()[:-4]:
            archive.writestr(name, whole.read(name))
    link(inside, "xl/worksheets/sheet1.xml", secret)
    with pytest.raises(InputError) as refused:
        load_workbook(inside, ANY)
    assert "b.xlsx" in str(refused.value)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.xlsx", "b.xlsx", "secret.xml"]


def test_a_gzip_that_inflates_without_end_is_refused(tmp_path):
    import ibis

    path = tmp_path / "bomb.csv.gz"
    block = gzip.compress(b"17850,2011-12-01,1,2.50\n" * 50_000)  # members may follow one another
    path.write_bytes(gzip.compress(b"customer,date,quantity,price\n") + block * 100)
    assert path.stat().st_size < 500_000
    with pytest.raises(
        InputError, match=r"unpacks to more than 100 MB, .* Expected at most 100 MB, or 200 times its size"
    ):
        load(path, ibis.duckdb.connect())


def test_a_small_gzip_may_be_very_regular(tmp_path):
    path = tmp_path / "regular.csv.gz"
    path.write_bytes(gzip.compress(b"17850,2011-12-01,1,2.50\n" * 50_000))
    bombs.check_gzip(path)


@pytest.mark.parametrize(
    "content",
    [gzip.compress(b"Recency,Frequency,Monetary\n" * 9)[:-9], b"\x1f\x8b no gzip"],
    ids=["cut", "no gzip"],  # the bytes hold the time: as a name they would differ between xdist's workers
)
def test_a_damaged_feature_table_is_refused_in_words(tmp_path, content):
    path = tmp_path / "features.csv.gz"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is damaged"):
        score.feature_table([str(path)])


def test_a_flipped_bit_in_a_gzip_is_noticed(tmp_path):
    import ibis

    content = bytearray(gzip.compress(b"".join(b"%d,%d\n" % (n, 7 * n) for n in range(20_000))))
    path = tmp_path / "flipped.csv.gz"
    for at in range(500, len(content), 10_000):
        content[at] ^= 1
        path.write_bytes(content)
        with pytest.raises(InputError, match="is damaged"):
            load(path, ibis.duckdb.connect())
        content[at] ^= 1
