"""How many customers a training takes: of more, it takes a uniform sample."""

from __future__ import annotations

from pathlib import Path

MILLION = 1_000_000
MOST_MILLIONS = 5
BYTES_PER_CUSTOMER = 4_000  # a training of a million customers with 5 orders each takes 3,800 at most


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
    """The limits of a process's control group and of all above it, in bytes."""
    if not of_process.exists():  # not on Linux
        return []
    own = [
        line.removeprefix("0::/") for line in of_process.read_text().splitlines() if line.startswith("0::/")
    ]
    folders = [folder for path in own for folder in (groups / path, *(groups / path).parents)]
    files = [folder / "memory.max" for folder in folders if folder.is_relative_to(groups)]
    texts = [file.read_text().strip() for file in files if file.exists()]
    return [int(text) for text in texts if text != "max"]
