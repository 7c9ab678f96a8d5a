"""How many customers a training takes: of more, it takes a uniform sample."""

from __future__ import annotations

from pathlib import Path

STEP = 250_000  # customers
MOST = 5_000_000
MOST_FROM_SPARK = 1_000_000  # which sends them to one machine
BYTES_PER_CUSTOMER = 4_000  # with 5 orders each, a million took 3,800 at most, two and five million less
BYTES_OF_REST = 2_000_000_000  # of the process whatever it counts, and of everything else on the machine
# The file of a control group by its controllers: one of version 2 names none.
LIMITS = {"": "memory.max", "memory": "memory.limit_in_bytes"}


def most_customers(engine: str = "duckdb") -> int:
    """As many as fit the memory, in whole STEPs and at least one of them."""
    steps = (memory_limit_bytes() - BYTES_OF_REST) // BYTES_PER_CUSTOMER // STEP
    return min(MOST_FROM_SPARK if engine == "spark" else MOST, STEP * max(1, steps))


def memory_limit_bytes() -> int:
    """The memory that this process may take: the machine's, or less in a container or under a service's limit."""
    import psutil

    return min([psutil.virtual_memory().total, *_limits(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup"))])


def _limits(of_process: Path, groups: Path) -> list[int]:
    """The limits of a process's control group and of all above it, in bytes; of groups of version 2 and of 1."""
    if not of_process.exists():  # not on Linux
        return []
    limits = []
    for line in of_process.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers not in LIMITS:
            continue
        root = groups / controllers
        own = root / path.removeprefix("/")
        folders = [own, *own.parents]
        files = [folder / LIMITS[controllers] for folder in folders if folder.is_relative_to(root)]
        limits += [file.read_text().strip() for file in files if file.exists()]
    return [int(limit) for limit in limits if limit != "max"]
