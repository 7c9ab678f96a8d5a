"""The services of the files in deploy/, so that tests start what stands there."""

from pathlib import Path

import yaml

DEPLOY = Path(__file__).parents[1] / "deploy"


def services(file):
    """The services of a file, by name."""
    return yaml.safe_load((DEPLOY / file).read_text(encoding="utf-8"))["services"]


SERVICES = services("compose.yaml")
ON_S3 = services("s3.yaml")["mlflow"]


def command(service, **instead):
    """A service's command with other values for some of its words: `port` for what follows --port, and so on."""
    words = list(map(str, service["command"]))
    for name, value in instead.items():
        words[words.index(f"--{name.replace('_', '-')}") + 1] = str(value)
    return words
