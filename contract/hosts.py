"""Who can reach a server: the names of this machine, and the token that is asked for when others can."""

from __future__ import annotations

import ipaddress

TOKEN_VARIABLE = "SEGMENTS_API_TOKEN"
LOOPBACK = "127.0.0.1"


def is_loopback(name: str) -> bool:
    """Whether a host's name or address is this machine's own, which no other machine reaches."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
