"""A limit on a process's address space (`ulimit -v`), told before compiled libraries end the process without a word."""

from __future__ import annotations

import resource

from training.errors import InputError

LEAST_BYTES = 2_500_000_000  # the demo shop needs between 1.8 and 2 GB, most of it reserved and never used


def check_address_space() -> None:
    """Raise InputError when this process may have less than LEAST_BYTES of addresses."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < LEAST_BYTES:
        raise InputError(
            f"This process may have {limit / 1e9:.1f} GB of addresses (ulimit -v {limit // 1024}). Expected at least "
            f"{LEAST_BYTES / 1e9:.1f} GB: compiled libraries reserve much more than they use, and end the process with "
            "a segmentation fault. Run: ulimit -v unlimited. To bound memory, use a container's limit: it counts what "
            "is used."
        )
