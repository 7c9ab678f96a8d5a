"""What is said of a champion whose alias somebody moved by hand, past the gate: the same by commands, API and page."""

from __future__ import annotations


def by_hand_sentence(version: int, before: int | None, gate: str | None) -> str:
    """`before`: the champion from which the alias was moved; `gate`: what the gate said of `version`, if it did."""
    earlier = f"version {before}" if before else "no version"
    judged = f"The gate says of it: {gate}." if gate else "The gate has not judged it."
    back = f" To go back to version {before}: segments rollback." if before else ""
    return (
        f"Version {version} was made champion by hand, after {earlier}. {judged} To have it judged: segments promote "
        f"{version}.{back}"
    )
