"""How many customers a training takes: of more, it takes a uniform sample."""

from __future__ import annotations

from pathlib import Path

MILLION = 1_000_000
MOST_MILLIONS = 5
BYTES_PER_CUSTOMER = (
    4_000  # with 5 orders each, a training of a million takes 3,800 at most, one of five less
)
LIMITS = {
    "": "memory.max",
    "memory": "memory.limit_in_bytes",
}  # of groups of version 2, without a name, and of 1


def most_customers(engine: str = "duckdb") -> int:
    """As many whole millions as fit the memory, between 1 and MOST_MILLIONS; Spark sends no more than one here."""
    if engine == "spark":
        return MILLION
    millions = memory_limit_bytes() // BYTES_PER_CUSTOMER // MILLION
    return MILLION * min(MOST_MILLIONS, max(1, millions))


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
