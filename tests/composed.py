"""The services of deploy/compose.yaml, so that tests start what stands there."""

from pathlib import Path

import yaml

SERVICES = yaml.safe_load(
    (Path(__file__).parents[1] / "deploy" / "compose.yaml").read_text(encoding="utf-8")
)["services"]


def command(service, **instead):
    """A service's command with other values for some of its words: `port` for what follows --port, and so on."""
    words = list(map(str, SERVICES[service]["command"]))
    for name, value in instead.items():
        words[words.index(f"--{name.replace('_', '-')}") + 1] = str(value)
    return words
