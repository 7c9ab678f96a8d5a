"""The tags by which a run of `segments cycle` says what came of the data that it handled, and the words they hold."""

from __future__ import annotations

OUTCOME, REASON, VERSION, AS_OF = "outcome", "reason", "version", "as_of"
UNREADABLE = "unreadable"  # yes: the data could not be read, and none could since; no: others could
KEPT, WAITS, PROMOTED, STOPPED, REJECTED = "kept", "waiting", "promoted", "stopped", "rejected"
SUPERSEDED, INTERRUPTED = "superseded", "interrupted"
