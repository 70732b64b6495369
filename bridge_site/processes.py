"""The bridge's parts as processes, watched and restarted: web, dispatch, two clusters.

Each part is a child with a pipe as its standard input, which ends when the parent
does, however it ends: on Windows there is no signal that would do it.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import psutil

from bridge_site.alive import (
    ALIVE_FILE,
    Life,
    can_be_shown,
    reached_at,
    tell_systemd,
)
from bridge_site.control import Control, find_control
from bridge_site.forking import NoNursery, Nursery, PartProcess
from plumbing.logfile import LINE, PartFileHandler, event_of

MANAGE = Path(__file__).resolve().parent.parent / "manage.py"
PARTS = ("web", "dispatch", "orders", "imports")
# Stopping takes at most 10 s in all: a part's own grace, the supervisor's, run.py's.
PART_STOPS_WITHIN_S = 5.0
ALL_STOP_WITHIN_S = 7.0
KILLED_WITHIN_S = 1.0
# A part that is wanted no longer finishes its calls to the peers first.
FINISHES_WITHIN_S = 75.0
WATCH_EVERY_S = 1.0
FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 60.0
STEADY_AFTER_S = 60.0
# With which a part ends that is well and wants to be started again, small as at first.
START_ANEW = 75
# In the environment of everything a part starts, so that orphans are found too.
MARK = "BRIDGE_PART_MARK"

log = logging.getLogger("bridge.supervisor")
Say = Callable[[str], None]


def when_parent_ends(
    act: Callable[[], None], *, on_word: Callable[[], None] = lambda: None
) -> None:
    """Call `act` from a thread once standard input has come to its end.

    `on_word` is called when the parent writes something before.
    """

    def watch() -> None:
        _wait_for_end_of_input(on_word)
        act()

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def _wait_for_end_of_input(on_word: Callable[[], None]) -> None:
    # The descriptor, not sys.stdin: a forked child closes that one, and a lock
    # held by this thread would stay locked there for ever.
    try:
        if sys.platform == "win32":
            _poll_windows_pipe(on_word)
        else:
            while os.read(0, 1024):
                on_word()
    except OSError:
        return


if sys.platform == "win32":

    def _poll_windows_pipe(on_word: Callable[[], None]) -> NoReturn:
        """Look at the pipe until that fails, as it does once the other end is closed.

        A pending blocking read would hang every child that inherits the handle.
        """
        import _winapi
        import msvcrt

        handle = msvcrt.get_osfhandle(0)
        while True:
            waiting, _left = _winapi.PeekNamedPipe(handle, 0)
            if waiting and os.read(0, waiting):
                on_word()
            time.sleep(WATCH_EVERY_S)


def exit_after(seconds: float) -> None:
    """Give this process so long to end by itself, then end it with all it started."""

    def end() -> None:
        time.sleep(seconds)
        end_tree(os.getpid(), and_itself=False)
        os._exit(1)

    threading.Thread(target=end, name="exit-after", daemon=True).start()


def stop_when_told(
    *, exit_with_parent: bool, finishes_at_word: bool = False
) -> threading.Event:
    """Return what is set at SIGINT or SIGTERM and, if asked, when the parent ends.

    From then on the process has `PART_STOPS_WITHIN_S` to end by itself. A word of the
    parent's sets it too, if asked, and leaves it all the time.
    """
    stop = threading.Event()

    def stop_soon(*_args: Any) -> None:
        # In a thread of its own: a signal may come while this one holds the event.
        exit_after(PART_STOPS_WITHIN_S)
        threading.Thread(target=stop.set, daemon=True).start()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop_soon)
    if exit_with_parent:
        on_word = stop.set if finishes_at_word else lambda: None
        when_parent_ends(stop_soon, on_word=on_word)
    return stop


def end_tree(pid: int, *, and_itself: bool) -> None:
    """End a process's descendants by force, and the process too if asked."""
    try:
        root = psutil.Process(pid)
        doomed = root.children(recursive=True) + ([root] if and_itself else [])
    except psutil.NoSuchProcess:
        return
    _kill_all(doomed)


def end_marked(mark: str) -> None:
    """End by force every process whose environment has the mark.

    Finds what `end_tree` cannot: the children of a parent that is gone.
    """
    for _attempt in range(5):
        marked = [p for p in psutil.process_iter() if _mark_of(p) == mark]
        if not marked:
            return
        # One of them may have started another while we looked.
        _kill_all(marked)


def _mark_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK) if _is_alive(process) else None
    except (psutil.Error, OSError):
        return None


def _is_alive(process: psutil.Process) -> bool:
    # A zombie has ended; in a container it may wait for ever for one to bury it.
    try:
        return process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _kill_all(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        try:
            process.kill()
        except psutil.Error:
            continue
    until = time.monotonic() + KILLED_WITHIN_S
    while any(map(_is_alive, processes)) and time.monotonic() < until:
        time.sleep(0.02)


def parse_address(listen: str) -> tuple[str, int]:
    """Split `host:port`; raises ValueError."""
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"LISTEN must be host:port, not {listen!r}")
    return host.strip("[]") or "127.0.0.1", int(port)


def settle_address(listen: str, *, is_free_later: bool = False) -> str:
    """Return the address with a real port: a free one for 0; raises ValueError.

    The port is fixed once, so that a restarted web part is found where it was. One that
    will be free later is not tried.
    """
    host, port = parse_address(listen)
    if is_free_later and port:
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        if os.name != "nt":
            # As waitress does; a port just left by another server is free enough.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ValueError(
                f"{listen} cannot be listened at ({error.strerror or error}): free it "
                f"or set LISTEN to another address"
            ) from None
        port = int(probe.getsockname()[1])
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(slots=True, kw_only=True)
class Part:
    """One part as the supervisor sees it."""

    name: str
    process: PartProcess | None = None
    mark: str = ""
    started_at: float = 0.0
    start_at: float = 0.0
    backoff_s: float = FIRST_BACKOFF_S
    life: Life | None = None
    # How often it was started, and since when it is wanted no longer.
    starts: int = 0
    retired_at: float = 0.0

    def told(self) -> dict[str, int | bool]:
        """Tell run.py whether it runs, has shown life, and how often it was started."""
        pid = self.process.pid if self.process is not None else 0
        is_seen = self.life is not None and self.life.was_seen
        return {"pid": pid, "seen": pid > 0 and is_seen, "starts": self.starts}


@dataclass(slots=True, kw_only=True)
class Supervisor:
    """Keeps the parts running until it is told to stop."""

    listen: str
    say: Say
    parts: Sequence[str] = PARTS
    nursery: Nursery | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    control: Control | None = field(default_factory=find_control)
    _parts: list[Part] = field(default_factory=list)
    _folder: str = ""

    def run(self) -> None:
        """Start every part, start again what ends or hangs, and stop all when told."""
        self._parts = [Part(name=name) for name in self.parts]
        with tempfile.TemporaryDirectory(
            prefix="bridge-alive-",
            # Should we be killed, it goes with run.py's.
            dir=None if self.control is None else self.control.folder,
            ignore_cleanup_errors=True,
        ) as self._folder:
            try:
                tell_systemd("READY=1")
                while True:
                    self._tend_all()
                    tell_systemd("WATCHDOG=1")
                    if self.stop.wait(WATCH_EVERY_S):
                        return
            finally:
                # run.py may stop us for an update only; the service goes on.
                if self.control is None:
                    tell_systemd("STOPPING=1")
                self._stop_all()

    def _tend_all(self) -> None:
        control = self.control
        wanted = self.parts if control is None else control.wanted(self.parts)
        for part in self._parts:
            if part.name in wanted:
                part.retired_at = 0.0
                self._tend(part)
            elif part.process is not None:
                self._retire(part, now=time.monotonic())
        if control is not None:
            parts = {part.name: part.told() for part in self._parts}
            address = reached_at(self.listen)
            # Its site waits until whoever listens there has let go.
            control.tell({"address": address, "parts": parts, "takes_turns": True})

    def _retire(self, part: Part, *, now: float) -> None:
        """Let a part end that is wanted no longer, by force if it takes too long."""
        if not part.retired_at:
            part.retired_at = now
            _say_finish(part.process)
        patience_s = now - part.retired_at
        if part.name != "dispatch" or patience_s > FINISHES_WITHIN_S:
            _close_input(part.process)
        is_over = part.process is None or part.process.poll() is not None
        if is_over or patience_s > FINISHES_WITHIN_S + ALL_STOP_WITHIN_S:
            self._let_go(part)

    def _tend(self, part: Part) -> None:
        now = time.monotonic()
        if part.process is None:
            if now >= part.start_at:
                self._start(part, now=now)
            return
        code = part.process.poll()
        if code is None:
            if part.life is None or not part.life.silent_s(now=now):
                return
            self.say(f"{part.name} gives no sign of life; it is ended by force")
            part.process.kill()
            end_marked(part.mark)
            code = part.process.wait()
        self._let_go(part)
        if code == START_ANEW and now - part.started_at > FIRST_BACKOFF_S:
            part.starts -= 1
            self._start(part, now=now)
            return
        if now - part.started_at > STEADY_AFTER_S:
            part.backoff_s = FIRST_BACKOFF_S
        self.say(
            f"{part.name} ended with code {code}; it starts again in "
            f"{part.backoff_s:g} s"
        )
        part.start_at = now + part.backoff_s
        part.backoff_s = min(part.backoff_s * 2, LONGEST_BACKOFF_S)

    def _start(self, part: Part, *, now: float) -> None:
        part.mark, part.started_at = uuid.uuid4().hex, now
        part.starts += 1
        file = Path(self._folder) / f"{part.name}-{part.mark}"
        life = Life(part=part.name, listen=self.listen, file=file)
        is_shown = part.name == "web" or can_be_shown(file)
        part.life = life if is_shown else None
        wishes = {
            **part_wishes(part.name, mark=part.mark, listen=self.listen),
            ALIVE_FILE: str(file),
        }
        part.process = self._fork(part.name, wishes) or subprocess.Popen(  # noqa: S603 - the bridge's own parts
            [
                sys.executable,
                str(MANAGE),
                "bridge_part",
                part.name,
                "--exit-with-parent",
            ],
            env={**part_environment(), **wishes},
            cwd=home(),
            stdin=subprocess.PIPE,
            # Signals meant for the supervisor must not reach the parts, which it stops
            # in order.
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )

    def _fork(self, name: str, wishes: Mapping[str, str]) -> PartProcess | None:
        if self.nursery is None:
            return None
        try:
            return self.nursery.fork(name, environment=wishes)
        except NoNursery as error:
            self.say(f"Parts are programs of their own from now on: {error}")
            self.nursery.end()
            self.nursery = None
            return None

    def _let_go(self, part: Part) -> None:
        """Forget a part that has ended, and end what it left behind."""
        if part.process is not None:
            part.process.kill()
        _close_input(part.process)
        part.process = None
        end_marked(part.mark)

    def _stop_all(self) -> None:
        until = time.monotonic() + ALL_STOP_WITHIN_S
        running = [part for part in self._parts if part.process is not None]
        for part in running:
            _close_input(part.process)
        for part in running:
            try:
                part.process.wait(max(0.0, until - time.monotonic()))  # type: ignore[union-attr]
            except subprocess.TimeoutExpired:
                self.say(f"{part.name} did not stop in time and is ended by force")
        for part in running:
            part.process.kill()  # type: ignore[union-attr]
            end_marked(part.mark)
            part.process.wait()  # type: ignore[union-attr]
        if self.nursery is not None:
            self.nursery.end()


def _say_finish(process: PartProcess | None) -> None:
    if process is not None and process.stdin is not None:
        try:
            process.stdin.write(b"finish\n")
            process.stdin.flush()
        except (OSError, ValueError):
            return


def _close_input(process: PartProcess | None) -> None:
    if process is not None and process.stdin is not None:
        try:
            process.stdin.close()
        except OSError:
            return


def part_wishes(name: str, *, mark: str, listen: str) -> dict[str, str]:
    """Return what a part is told: its mark, the settled address, its queue."""
    wishes = {MARK: mark, "LISTEN": listen}
    return {**wishes, "Q_CLUSTER_NAME": name} if name == "imports" else wishes


def part_environment() -> dict[str, str]:
    """Return the environment of a part that is a program of its own."""
    environment = dict(os.environ)
    environment.pop("Q_CLUSTER_NAME", None)
    # glibc gives every thread an arena of its own, most of it never used.
    environment.setdefault("MALLOC_ARENA_MAX", "2")
    return environment


def home() -> Path:
    """Return where parts run: there relative paths in .env are meant from."""
    return Path(os.environ.get("BRIDGE_HOME") or MANAGE.parent)


def supervisors_log() -> list[str]:
    """Say on the supervisor's command line how it is to write its log."""
    from django.conf import settings

    if settings.LOG_FILE == "-":
        return []
    path = settings.HOME_DIR / settings.LOG_FILE.replace("{part}", "supervisor")
    return [
        *("--log-file", str(path), "--log-format", settings.LOG_FORMAT),
        *("--log-bytes", str(settings.LOG_FILE_MB * 1_000_000)),
        *("--log-kept", str(settings.LOG_FILES_KEPT)),
    ]


def replace_with_supervisor(
    listen: str,
    *,
    exit_with_parent: bool,
    parts: Sequence[str] = PARTS,
    log: Sequence[str] = (),
    nursery: Sequence[str] = (),
) -> None:
    """Become the supervisor without Django, which takes 25 MB it has no use for."""
    command = [sys.executable, "-m", "bridge_site.processes", "--listen", listen]
    command += ["--parts", ",".join(parts)]
    command += ["--exit-with-parent"] if exit_with_parent else []
    command += [*log, *nursery]
    if os.name == "nt":
        # There exec would let our caller go on as if we had ended.
        supervise(command[3:])
        return
    os.chdir(MANAGE.parent)
    os.execv(sys.executable, command)  # noqa: S606 - this very program anew


def supervise(arguments: Sequence[str] | None = None) -> None:
    """Run the parts until SIGINT, SIGTERM or the parent's end."""
    parser = argparse.ArgumentParser(prog="bridge")
    parser.add_argument("--listen", required=True)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--exit-with-parent", action="store_true")
    parser.add_argument("--log-file", default="")
    parser.add_argument("--log-bytes", type=int, default=0)
    parser.add_argument("--log-kept", type=int, default=0)
    parser.add_argument("--log-format", default="text")
    parser.add_argument("--nursery", nargs=2, type=int, metavar=("SOCKET", "PROCESS"))
    options = parser.parse_args(arguments)
    if options.log_file:
        _log_to(options)
    nursery = None
    if options.nursery is not None:
        connection, pid = options.nursery
        nursery = Nursery(socket.socket(fileno=connection), pid=pid)
    parts = options.parts.split(",")
    supervisor = Supervisor(
        listen=options.listen,
        say=_say,
        parts=parts,
        nursery=nursery,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: supervisor.stop.set())
    if options.exit_with_parent:
        when_parent_ends(supervisor.stop.set)
    if "web" in parts:
        _say(f"The bridge listens at http://{options.listen}/")
    else:
        _say(f"The bridge runs here without its site: {', '.join(parts)}")
    supervisor.run()


def _log_to(options: argparse.Namespace) -> None:
    """Write to a file, too, what is said: a service on Windows has no console."""
    handler = PartFileHandler(
        options.log_file, most_bytes=options.log_bytes, kept=options.log_kept
    )
    is_json = options.log_format == "json"
    handler.setFormatter(_Json() if is_json else logging.Formatter(LINE))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(event_of(record), ensure_ascii=False)


def _say(text: str) -> None:
    log.info(text)
    # A service on Windows has none.
    if sys.stdout is not None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    supervise()
