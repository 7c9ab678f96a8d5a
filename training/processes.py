"""Other programs: replace this one by one of them, or run several and stop them together. And their ports."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

from training.errors import InputError
from training.guard import GRACE_SECONDS, guarded

Handler = Callable[[int, FrameType | None], object]
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, a service's stop, a closed terminal


def replace_by(program: object, *arguments: object) -> NoReturn:
    """Replace this process by `program` of this Python environment: signals reach it, and its exit code is ours."""
    _use_this_environment()
    os.execvp(str(program), [str(program), *map(str, arguments)])


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def check_port(host: str, port: int) -> None:
    """Raise InputError when nobody can listen on `port` of `host`."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise InputError(
                f"Port {port} on {host} cannot be used ({error.strerror}). Expected a free port. "
                "Stop the program that holds it, or name another port."
            ) from None


def run_together(commands: Mapping[str, Sequence[object]], ready: Callable[[], None]) -> int:
    """Run commands, by their names, until a signal of ENDING or the end of one of them; then stop all. The exit code.

    Each command has a process group of its own, so that its workers stop with it; a guard stops them when this
    process is killed. `ready` is called once all are started. The code is 0 after a signal, and 1 when a command
    ended by itself.
    """
    _use_this_environment()
    stopping = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    running: dict[str, subprocess.Popen[bytes]] = {}
    with handled(ENDING, stop), guarded() as marked:
        try:
            for name, command in commands.items():
                running[name] = start(command, os.environ | marked)
            ready()
            while not stopping:
                ended = [name for name, process in running.items() if process.poll() is not None]
                if ended:
                    print(f"{ended[0]} has ended by itself; stopping the others.", file=sys.stderr)
                    return 1
                time.sleep(0.1)
            return 0
        finally:
            stop_all(running.values())


def start(
    command: Sequence[object], environment: Mapping[str, str], output: IO[str] | None = None
) -> subprocess.Popen[bytes]:
    """A command in a process group of its own, which a terminal's signals do not reach."""
    words = [str(part) for part in command]
    return subprocess.Popen(words, env=environment, stdout=output, stderr=output, start_new_session=True)


@contextlib.contextmanager
def handled(signals: Collection[signal.Signals], handler: Handler) -> Iterator[None]:
    """Let `handler` answer these signals inside the `with`, but for those that are ignored (as `nohup` ignores one)."""
    asked = [number for number in signals if signal.getsignal(number) is not signal.SIG_IGN]
    old = {number: signal.signal(number, handler) for number in asked}
    try:
        yield
    finally:
        for number, before in old.items():
            signal.signal(number, before)


def leave(number: int, _frame: FrameType | None) -> None:
    """A handler that raises inside the `with`, as Ctrl-C does."""
    sys.exit(128 + number)


def stop_all(processes: Collection[subprocess.Popen[bytes]]) -> None:
    """Send SIGTERM to the process groups of all, and SIGKILL to what is left after GRACE_SECONDS."""
    for process in processes:
        _signal_group(process, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.1, deadline - time.monotonic()))
        _signal_group(process, signal.SIGKILL)  # also to the workers that an ended process left behind
        process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def _use_this_environment() -> None:
    """Put this Python environment's commands first on the path."""
    folder = str(Path(sys.executable).parent)
    os.environ["PATH"] = folder + os.pathsep + os.environ.get("PATH", "")
