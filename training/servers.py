"""The servers that people start: their commands, and whether others may reach them."""

from __future__ import annotations

import os

from contract.hosts import TOKEN_VARIABLE, is_loopback
from training.errors import InputError


def analytics(host: str, port: int, workers: int) -> list[object]:
    """The analytics API and the dashboard."""
    program = ["python", "-m", "serving.server", "analytics"]
    return [*program, "--host", host, "--port", port, "--workers", workers]


def mlflow_ui(host: str, port: int, store: str) -> list[object]:
    """The MLflow UI of a store."""
    return ["mlflow", "ui", "--backend-store-uri", store, "--host", host, "--port", port, "--workers", 1]


def check_exposed(host: str) -> None:
    """Raise InputError when other machines could ask a server that asks for no token."""
    if not is_loopback(host) and not os.environ.get(TOKEN_VARIABLE):
        raise InputError(
            f"--host {host} lets other machines ask, and there is no token: whoever reaches this machine could read "
            f"all customers. Expected a token in {TOKEN_VARIABLE}, which is then asked for. Set one "
            f"(`export {TOKEN_VARIABLE}=$(openssl rand -hex 32)`), or leave --host out."
        )


def check_ui_host(host: str) -> None:
    """Raise InputError when other machines could reach the MLflow UI."""
    if not is_loopback(host):
        raise InputError(
            f"--host {host} lets other machines use the MLflow UI, which asks for no password: whoever reaches it can "
            "replace the model. Expected a host of this machine only. Leave --host out and reach it through "
            "`ssh -L 5002:127.0.0.1:5002 THIS_MACHINE`, or run `mlflow server --app-name basic-auth`."
        )
