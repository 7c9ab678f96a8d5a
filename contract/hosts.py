"""Who can reach a server: the names of this machine, and the token that is asked for when others can."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

TOKEN_VARIABLE = "SEGMENTS_API_TOKEN"
LOOPBACK = "127.0.0.1"


@lru_cache(maxsize=128)  # names are what callers send: not all of them are kept
def is_loopback(name: str) -> bool:
    """Whether a host's name or address is this machine's own, which no other machine reaches."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
