"""MLproject's parameters are the command line's options, and `mlflow run` works."""

import shutil
import subprocess
from pathlib import Path

import click
import mlflow
import pytest
import yaml

from training.cli import main

ROOT = Path(__file__).parents[1]
PROJECT = yaml.safe_load((ROOT / "MLproject").read_text(encoding="utf-8"))


def test_every_command_is_an_entry_point():
    assert set(PROJECT["entry_points"]) == {*main.commands, "main"}


@pytest.mark.parametrize("name", sorted(main.commands))
def test_the_parameters_of_an_entry_point_are_the_options_of_its_command(name):
    entry = PROJECT["entry_points"][name]
    parameters = entry.get("parameters", {})
    options = {}
    for parameter in main.commands[name].params:
        flag = parameter.opts[0].lstrip("-").replace("-", "_")
        if isinstance(parameter, click.Argument):
            flag = {"inputs": "input"}.get(parameter.name, parameter.name)
        options[flag] = parameter
    assert set(parameters) == set(options)
    for flag, parameter in options.items():
        assert f"{{{flag}}}" in entry["command"]
        assert parameters[flag].get("default") == default_of(parameter), flag


def default_of(parameter):
    """A command's default as MLproject writes it: a flag stands for itself, nothing for the empty text."""
    if parameter.required:
        return None
    if getattr(parameter, "is_flag", False):
        return (parameter.opts if parameter.default else parameter.secondary_opts)[0]
    default = parameter.default
    if parameter.multiple or default is None or "UNSET" in repr(default):
        return ""
    return str(default) if isinstance(default, Path) else default


def test_conda_yaml_installs_the_lock():
    conda = yaml.safe_load((ROOT / "conda.yaml").read_text(encoding="utf-8"))
    assert {"pip": ["-r requirements.lock"]} in conda["dependencies"]


def test_the_lock_names_no_address():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    assert "--hash=sha256:" in lock


def test_mlflow_run_trains_in_its_own_run(new_folder):
    shop = new_folder("project")
    for name in ("MLproject", "conda.yaml", "requirements.lock"):
        shutil.copy(ROOT / name, shop.folder)
    given = ["trials=4", "features=Recency,Frequency,Monetary", "weights=Recency=0.5", "anomaly_rate=0.01"]
    parameters = [word for pair in given for word in ("-P", pair)]
    command = ["mlflow", "run", ".", "-e", "train", "--env-manager", "local", *parameters]
    done = subprocess.run(command, cwd=shop.folder, env=shop.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    client = mlflow.MlflowClient(shop.environment["MLFLOW_TRACKING_URI"])
    version = client.get_model_version_by_alias("customer-segments", "challenger")
    run = client.get_run(version.run_id)
    assert run.data.tags["mlflow.project.entryPoint"] == "train"
    assert run.data.params["anomaly_rate"] == "0.01"
    assert run.data.params["weights"] == "Recency=0.5"  # as the user wrote it
    (output,) = run.outputs.model_outputs
    model = Path(client.get_logged_model(output.model_id).artifact_location.removeprefix("file://"))
    metadata = yaml.safe_load((model / "MLmodel").read_text(encoding="utf-8"))["metadata"]
    assert metadata["weights"] == "Recency=0.5,Frequency=1,Monetary=1"
    assert run.info.status == "FINISHED"
