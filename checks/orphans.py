"""Every signal at every moment: what `segments up`, `promote` and `train --promote` leave behind when they are ended.

    python checks/orphans.py

prints one line per command, moment and signal with the processes that were left; exit code 1 when there are any.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGKILL)
SECONDS_TO_ANSWER = 240


def main() -> int:
    from conftest import Store
    from orphans import Watched, has_started, is_serving

    from training.processes import free_port

    def answering(ports: list[int]) -> bool:
        return all(_answers(port) for port in ports)

    left_in_all = 0
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        store.process("train", "--promote", "--trials", "20")
        for number in SIGNALS:
            for moment in ("starting", "running", "promote", "train --promote"):
                ports = [free_port() for _ in range(3)]
                if moment in ("starting", "running"):
                    names = ("--api-port", "--scoring-port", "--ui-port")
                    command = ["up", *(word for pair in zip(names, ports, strict=True) for word in pair)]
                elif moment == "promote":
                    command = ["promote", "1"]
                else:
                    command = ["train", "--promote", "--trials", "10", "--seed", str(int(number))]
                watched = Watched(store, *command)
                begun = is_serving if moment == "train --promote" else has_started("serving.server")
                watched.wait_for(lambda watched=watched, begun=begun: begun(watched))
                if moment == "running":
                    watched.wait_for(lambda ports=ports: answering(ports))
                left = watched.end(number)
                left_in_all += len(left)
                print(f"{moment:16} {number.name:8} {len(left)} left {left or ''}", flush=True)
    return 1 if left_in_all else 0


def _answers(port: int) -> bool:
    import requests

    try:
        return requests.get(f"http://127.0.0.1:{port}/health", timeout=5).ok
    except requests.RequestException:
        return False


if __name__ == "__main__":
    sys.exit(main())
