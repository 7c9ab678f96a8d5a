"""Where the time of a `segments` command goes, without a line about it in the command itself.

    python benchmarks/steps.py TIMES.json train FILE --promote

runs the command in this process, wraps the functions of STEPS as their modules are imported, and writes what each
step took. A step's time is its own: what an inner step takes is not in the outer one. Each thread has its own
steps. The first thread's add up to the command's: its wall time, and the CPU time that all threads spent meanwhile.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import json
import os
import resource
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from importlib.abc import Loader, MetaPathFinder
from pathlib import Path
from types import ModuleType

# module, function (or class.method), the step's name
STEPS = (
    ("training.shop", "count_customers", "read, clean, count"),
    ("training.store.connection", "create_database", "make the store"),
    ("training.store.tracking", "log_data", "log the data set"),
    ("training.train", "Assignment.evaluator", "neighbours"),
    ("training.train", "_search", "search"),
    ("training.store.trial_log", "TrialLog._write", "child runs"),
    ("training.clustering.sweep", "choose", "choose: stability, flags"),
    ("training.train", "_fit", "fit"),
    ("training.outlook", "look_ahead", "past and forecast"),
    ("training.report.lookback", "look_back", "past and forecast"),
    ("training.store.registry", "log_model", "log the model"),
    ("training.store.registry", "register", "register"),
    ("training.train", "_curve", "curve by k"),
    ("training.train", "_Result.metrics", "metrics"),
    ("training.train", "_result", "past and forecast"),
    ("training.report.facts", "monthly", "months"),
    ("training.store.connection", "connect", "connect to the store"),
    ("training.train", "train_challenger", "training, the rest"),
    ("training.processes", "stop_all", "stop the server"),
    ("training.twin", "Twin.end", "stop the server"),
    ("training.report.figures", "picture", "figures"),
    ("training.report.page", "render_report", "report"),
    ("training.store.tracking", "log_files", "write the files"),
    ("training.gate", "judge", "gate"),
    ("training.gate", "log_verdict", "promotion"),
    ("training.store.registry", "promote", "promotion"),
)
IMPORTS = "imports"
REST = "everything between"


class Clock:
    """Adds up wall and CPU seconds of the steps that are under way, one stack of names for each thread.

    While a step of the first thread is under way, the CPU seconds of all threads count as its own.
    """

    def __init__(self) -> None:
        self.steps: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
        self.thread = threading.local()

    def _turn(self) -> list[str]:
        """Give the time since the last turn of this thread to the step that is under way in it; its stack."""
        first = threading.current_thread() is threading.main_thread()
        now, cpu = time.perf_counter(), time.process_time() if first else time.thread_time()
        stack: list[str] = self.thread.__dict__.setdefault("stack", [REST])
        since, cpu_since = self.thread.__dict__.get("since", (now, cpu))
        name = "first" if first else "others"
        spent = self.steps[name, stack[-1]]
        spent[0] += now - since
        spent[1] += cpu - cpu_since
        self.thread.since = now, cpu
        return stack

    def begin(self, step: str) -> None:
        self._turn().append(step)

    def end(self) -> None:
        self._turn().pop()

    def wrapped(self, function: Callable, step: str) -> Callable:
        @functools.wraps(function)
        def timed(*arguments: object, **named: object) -> object:
            self.begin(step)
            try:
                return function(*arguments, **named)
            finally:
                self.end()

        return timed


class Wrapper(MetaPathFinder):
    """Wraps the functions of STEPS in the modules that hold them, as soon as these are imported."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def find_spec(self, name: str, *_: object) -> object:
        functions = [(function, step) for module, function, step in STEPS if module == name]
        if not functions:
            return None
        sys.meta_path.remove(self)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        assert spec
        assert spec.loader
        spec.loader = Wrapped(spec.loader, self.clock, functions)
        return spec


class Wrapped(Loader):
    """A module's loader, and then its functions wrapped."""

    def __init__(self, loader: Loader, clock: Clock, functions: list[tuple[str, str]]) -> None:
        self.loader, self.clock, self.functions = loader, clock, functions

    def create_module(self, spec: object) -> ModuleType | None:
        return self.loader.create_module(spec)  # type: ignore[arg-type]

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        for path, step in self.functions:
            owner: object = module
            *classes, name = path.split(".")
            for owner_name in classes:
                owner = getattr(owner, owner_name)
            setattr(owner, name, self.clock.wrapped(getattr(owner, name), step))


def time_imports(clock: Clock) -> None:
    """Let each import of a module that is not there yet count as a step of its own."""
    bootstrap = importlib._bootstrap  # type: ignore[attr-defined]
    bootstrap._find_and_load = clock.wrapped(bootstrap._find_and_load, IMPORTS)


def process_age() -> float:
    """Seconds since the start of this process, to a hundredth."""
    ticks = float(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def rows(clock: Clock) -> Iterator[dict[str, object]]:
    """Each step with its wall and CPU seconds; `beside` is the CPU of other threads, which is in a step's CPU, too."""
    clock._turn()
    for step in dict.fromkeys(step for _, step in clock.steps):
        wall, cpu = clock.steps["first", step]
        yield {"step": step, "wall": wall, "cpu": cpu, "beside": clock.steps["others", step][1]}
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    yield {"step": "processes", "wall": 0.0, "cpu": children.ru_utime + children.ru_stime, "beside": 0.0}


def main() -> None:
    path, *arguments = sys.argv[1:]
    clock, before = Clock(), process_age()
    clock._turn()
    sys.meta_path.insert(0, Wrapper(clock))
    time_imports(clock)

    def write() -> None:
        begun = {"step": "start of Python", "wall": before, "cpu": 0.0, "beside": 0.0}
        written = {"age": process_age(), "steps": [begun, *rows(clock)]}
        Path(path).write_text(json.dumps(written))

    atexit.register(write)
    sys.argv = ["segments", *arguments]
    from training.cli import main as segments

    segments()


if __name__ == "__main__":
    main()
