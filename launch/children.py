"""Child processes that end with us, even when we are killed."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from launch.accounts import service_account
from launch.console import HOME, CannotGoOn, complain

# Children have 8 s of their own to stop in; what is left then is ended by force.
STOP_WITHIN_S = 8.5
LEAST_WAIT_S = 1.0


class StopAsked(BaseException):
    """Somebody asked us to stop. Not an error, so that nothing catches it as one."""


class Child:
    """A process whose standard input is a pipe of ours: at its end, it ends itself."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        # Relative paths in .env are meant from there, whichever release runs.
        folder: Path = HOME,
    ) -> None:
        self.name = name
        self._process = subprocess.Popen(  # noqa: S603 - the bridge's own programs
            command,
            cwd=folder,
            **service_account(),
            env=environment,
            stdin=subprocess.PIPE,
            # A Ctrl-C in the console reaches us alone, and we stop them in order.
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )

    @property
    def exit_code(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._process.poll()

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait for the end; raises `subprocess.TimeoutExpired`."""
        self._process.wait(timeout_s)

    def tell(self, word: str) -> None:
        """Write a line to its standard input."""
        if self._process.stdin is not None:
            with suppress(OSError, ValueError):
                self._process.stdin.write(f"{word}\n".encode())
                self._process.stdin.flush()

    def ask_to_stop(self) -> None:
        """Close its standard input."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def kill(self) -> None:
        self._process.kill()


def pause() -> None:
    time.sleep(0.1)


def rest(seconds: float) -> None:
    """Pause for so long; whoever is asked to stop meanwhile stops."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pause()


def stop_all(children: Sequence[Child]) -> None:
    """Stop the last started first, and end by force what does not stop in time."""
    until = time.monotonic() + STOP_WITHIN_S
    for child in reversed(children):
        child.ask_to_stop()
        try:
            child.wait(max(LEAST_WAIT_S, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            complain(f"{child.name} did not stop in time and was ended by force.")
            child.kill()
            child.wait()


def run_to_end(
    name: str, command: Sequence[str], *, environment: Mapping[str, str]
) -> None:
    """Run a command to its end; it is ended when we are interrupted."""
    child = Child(name, command, environment=environment)
    try:
        # Looked at, not waited for: on Windows a wait would sit out a Ctrl-C.
        while (code := child.exit_code) is None:
            pause()
    except BaseException:
        child.kill()
        child.wait()
        raise
    finally:
        child.ask_to_stop()
    if code:
        raise CannotGoOn(
            f"“{name}” failed with exit code {code}: the lines above say why."
        )


@contextmanager
def stop_signals(*, interrupt: bool = True) -> Iterator[None]:
    """Raise `StopAsked` in the block for Ctrl-C, a service manager or a closed window.

    Only the first counts: an impatient second Ctrl-C must not break the stopping.
    `interrupt=False` leaves Ctrl-C what it is, for children who get it as well.
    """
    names = ["SIGTERM", "SIGBREAK", "SIGHUP"] + ["SIGINT"] * interrupt
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]

    def stop_once(_number: int, _frame: FrameType | None) -> NoReturn:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise StopAsked

    before = {number: signal.signal(number, stop_once) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
