"""Parts made by forking one process that has loaded everything, on Linux.

What four programs would each load, they share: it is in memory once, and a part is
there at once. `Nursery` is the supervisor's side, `become_parts` that of the process
that forks. If that is gone, parts are programs of their own, as elsewhere.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Protocol

import psutil

CAN_FORK = sys.platform == "linux" and hasattr(os, "fork")
# A fork takes milliseconds; who does not answer by then is given up.
FORKED_WITHIN_S = 10.0
ENDS_WITHIN_S = 1.0
LOOK_EVERY_S = 0.02
MOST_BYTES = 1 << 20


if sys.platform == "linux":
    from setproctitle import setproctitle

    def name_process(part: str) -> None:
        """Let `ps` and the metrics see which part a forked process is."""
        # It leaves the environment readable, as the name fits where the command was.
        os.environ.setdefault("SPT_NOENV", "1")
        setproctitle(f"bridge_part {part}")

else:

    def name_process(part: str) -> None:
        """Do nothing: here each part has a command line of its own."""


def command_of(process: psutil.Process) -> list[str]:
    """Return a process's command line; of a forked part, the name it was given."""
    line = process.cmdline()
    return line[0].split() if line and line[0].startswith("bridge_part ") else line


def is_forking() -> bool:
    """Tell whether parts are forked here: `MP_START_METHOD=spawn` says no.

    Nor are they where all of them would have one cluster's queue.
    """
    method = os.environ.get("MP_START_METHOD") or "fork"
    return CAN_FORK and method == "fork" and "Q_CLUSTER_NAME" not in os.environ


def begin_beside(work: Callable[[], None]) -> Callable[[], None]:
    """Let a child do the work; what is returned waits for it, or raises `SystemExit`.

    What it loads is gone with it. Where nothing can be forked it is done here and now.
    """
    if not CAN_FORK:
        work()
        return lambda: None
    sys.stdout.flush()
    sys.stderr.flush()
    if (pid := os.fork()) == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def wait() -> None:
        _pid, status = os.waitpid(pid, 0)
        if status:
            raise SystemExit(1)

    return wait


class NoNursery(Exception):
    """The process that forks is gone or does not answer."""


class PartProcess(Protocol):
    """What the supervisor does with a part, as `subprocess.Popen` has it."""

    @property
    def pid(self) -> int: ...
    @property
    def stdin(self) -> IO[bytes] | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def kill(self) -> None: ...


class Nursery:
    """Asks the process that forks for parts, and hears from it how they ended."""

    def __init__(self, connection: socket.socket, *, pid: int) -> None:
        self._connection = connection
        self._pid = pid
        self._codes: dict[int, int] = {}
        self._unread = b""
        self.is_open = True

    def fork(self, name: str, *, environment: Mapping[str, str]) -> ForkedPart:
        """Return the new part; raises `NoNursery`."""
        theirs, ours = os.pipe()
        try:
            wish = json.dumps({"part": name, "environment": dict(environment)})
            socket.send_fds(self._connection, [wish.encode()], [theirs])
            pid = self._await_pid()
        except (OSError, NoNursery) as error:
            self.close()
            os.close(ours)
            raise NoNursery(str(error)) from None
        finally:
            os.close(theirs)
        return ForkedPart(pid, nursery=self, stdin=os.fdopen(ours, "wb"))

    def code_of(self, pid: int) -> int | None:
        """Return how a part ended, if it was heard by now."""
        self._hear(within_s=0)
        return self._codes.get(pid)

    def close(self) -> None:
        """Let the forking process end; its parts do not mind."""
        self.is_open = False
        self._connection.close()

    def end(self) -> None:
        """Let it end and wait for that, which takes a moment only."""
        self.close()
        until = time.monotonic() + ENDS_WITHIN_S
        with suppress(ChildProcessError, ProcessLookupError):
            while os.waitpid(self._pid, os.WNOHANG)[0] == 0:
                if time.monotonic() > until:
                    os.kill(self._pid, signal.SIGKILL)
                time.sleep(LOOK_EVERY_S)

    def _await_pid(self) -> int:
        until = time.monotonic() + FORKED_WITHIN_S
        while (left_s := until - time.monotonic()) > 0 and self.is_open:
            if pid := self._hear(within_s=left_s):
                return pid
        raise NoNursery("it forked nothing")

    def _hear(self, *, within_s: float) -> int:
        """Take in what it says; returns the process it made, if that is among it."""
        made = 0
        while self.is_open and _is_readable(self._connection, within_s):
            try:
                said = self._connection.recv(MOST_BYTES)
            except OSError:
                said = b""
            if not said:
                self.close()
            *lines, self._unread = (self._unread + said).split(b"\n")
            for line in lines:
                pid, code = json.loads(line)
                if code is None:
                    made = pid
                else:
                    self._codes[pid] = code
            within_s = 0
        return made


def _is_readable(connection: socket.socket, within_s: float) -> bool:
    return bool(select.select([connection], [], [], within_s)[0])


class ForkedPart:
    """A part that somebody else forked, used as a `Popen` is."""

    def __init__(self, pid: int, *, nursery: Nursery, stdin: IO[bytes]) -> None:
        self.pid = pid
        self.stdin: IO[bytes] | None = stdin
        self._nursery = nursery
        self._code: int | None = None
        try:
            self._process = psutil.Process(pid)
        except psutil.NoSuchProcess:
            self._code = -1

    def poll(self) -> int | None:
        if self._code is None:
            self._code = self._nursery.code_of(self.pid)
        if self._code is None and not self._nursery.is_open and not self._lives():
            # Who would have known its code is gone.
            self._code = -1
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code; raises `subprocess.TimeoutExpired`."""
        until = time.monotonic() + (float("inf") if timeout is None else timeout)
        while (code := self.poll()) is None:
            if time.monotonic() >= until:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            time.sleep(LOOK_EVERY_S)
        return code

    def kill(self) -> None:
        if self.poll() is None:
            with suppress(psutil.NoSuchProcess):
                self._process.kill()

    def _lives(self) -> bool:
        # Knows a number that was given to another process meanwhile.
        try:
            running = self._process.is_running()
            return running and self._process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Born:
    """What a new part was told."""

    part: str
    environment: Mapping[str, str]


def become_parts(connection: socket.socket) -> Born | None:
    """Fork a part at each wish; returns in the part, and in the first one at the end.

    The caller has loaded what the parts share, has no thread but this one and no
    connection to the database. Ends when the supervisor does.
    """
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    # The supervisor decides when parts end; Ctrl-C and a service's stop are for it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_args: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    # The collector would write to each object, and so take every page for each part.
    gc.collect()
    gc.freeze()
    try:
        while True:
            readable, _, _ = select.select([connection.fileno(), woken], [], [])
            if woken in readable:
                os.read(woken, 512)
                _tell_of_the_dead(connection)
            if connection.fileno() not in readable:
                continue
            said, received, _flags, _from = socket.recv_fds(connection, MOST_BYTES, 1)
            if not said:
                return None
            (stdin,) = received
            wish = json.loads(said)
            if (pid := os.fork()) == 0:
                for each in (woken, wake):
                    os.close(each)
                connection.close()
                _settle_as_part(stdin)
                return Born(**wish)
            os.close(stdin)
            connection.sendall(json.dumps([pid, None]).encode() + b"\n")
    except (BrokenPipeError, ConnectionError):
        return None


def _tell_of_the_dead(connection: socket.socket) -> None:
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            pid, status = ended
            told = json.dumps([pid, os.waitstatus_to_exitcode(status)])
            connection.sendall(told.encode() + b"\n")


def _settle_as_part(stdin: int) -> None:
    # As `Popen` starts one: a session of its own, the pipe as its standard input.
    os.setsid()
    os.dup2(stdin, 0)
    os.close(stdin)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.enable()
