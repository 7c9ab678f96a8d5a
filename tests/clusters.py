"""A Spark cluster on this machine, started by the very commands of docs/scale.md."""

import contextlib
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.guard import guarded

PAGE = Path(__file__).parents[1] / "docs" / "scale.md"
BIN = Path(sys.executable).parent
MOST_SECONDS = 90
# Each of the six Java processes lives for a minute: what the second compiler gains later, nobody waits for.
FEW_SECONDS = {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC", "SPARK_DAEMON_MEMORY": "256m"}


@dataclass(frozen=True)
class Cluster:
    """A master and its workers, and what a command needs to work on them."""

    arguments: str
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return FEW_SECONDS | {"PYSPARK_SUBMIT_ARGS": self.arguments, "PYSPARK_PYTHON": sys.executable}

    def executors(self) -> set[str]:
        """The folders of the workers that ran something for an application."""
        return {path.parent.parent.name for path in self.folder.glob("work-*/app-*/*") if path.is_dir()}


def commands() -> list[str]:
    """The commands of the page's section about a cluster."""
    section = PAGE.read_text(encoding="utf-8").split("### A cluster")[1].split("\n## ")[0]
    return re.findall(r"^\$ (.*(?:\n {2,}.*)*)", section, flags=re.MULTILINE)


@contextlib.contextmanager
def cluster(folder: Path, port: int) -> Iterator[Cluster]:
    """The cluster of the page, its master at `port`; it ends with the `with`, or with this process."""
    shown = [re.sub(r"\\?\s+", " ", command).replace("7077", str(port)) for command in commands()]
    (arguments,) = (shlex.split(each)[1].split("=", 1)[1] for each in shown if each.startswith("export"))
    with guarded() as mark:
        environment = os.environ | FEW_SECONDS | mark | {"PATH": f"{BIN}:{os.environ['PATH']}"}
        for number, words in enumerate(shlex.split(each) for each in shown if each.startswith("spark-class")):
            log = folder / f"log-{number}"
            with log.open("w") as output:
                subprocess.Popen(words, cwd=folder, env=environment, stdout=output, stderr=output)
            _wait_for(
                log, "I have been elected leader" if number == 0 else "Successfully registered with master"
            )
        yield Cluster(arguments, folder)


def _wait_for(log: Path, line: str) -> None:
    deadline = time.monotonic() + MOST_SECONDS
    while line not in log.read_text(encoding="utf-8"):
        if time.monotonic() > deadline:
            raise AssertionError(f'{log} never said "{line}":\n{log.read_text(encoding="utf-8")}')
        time.sleep(0.1)
