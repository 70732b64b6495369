"""A log file that several processes write and rotate; knows nothing of Django.

So that the supervisor, which lives without Django, writes one, too.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
MODE = 0o640

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock
    except ImportError:  # Where there are no locks, one file grows.

        def _lock(descriptor: int) -> None:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    else:

        def _lock(descriptor: int) -> None:
            flock(descriptor, LOCK_EX | LOCK_NB)


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Tell the block whether the lock is ours; never waits. It ends with its holder."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, MODE)
    try:
        try:
            _lock(descriptor)
            is_ours = True
        except OSError:
            is_ours = False
        yield is_ours
    finally:
        os.close(descriptor)


class PartFileHandler(logging.Handler):
    """Appends to a file that several processes write, and rotates it.

    In the path `{part}` stands for the part's name. Several processes write one file:
    the web's on several ports, commands. Each line is one write at
    the end of the file, so none cuts into another's. Whoever finds the file full moves
    it aside, under a lock that nobody waits for: a process that was stopped while it
    held the lock must not stop all others, which handlers that lock for each line
    would. The others notice by the file's number that it is another one. On Windows an
    open file cannot be moved: there it is closed after each line.

    A full disk loses lines and nothing else: no exception, no flood on the console, and
    the line after a torn one begins anew.
    """

    def __init__(self, path: str, *, most_bytes: int, kept: int) -> None:
        super().__init__()
        # Not `_name`, which is the handler's own.
        self._pattern = path
        self._most_bytes, self._kept = most_bytes, kept
        self._descriptor = -1
        self._is_torn = self._is_failing = False

    @property
    def _path(self) -> Path:
        # Which part this is, a forked process learns after its log was set up.
        return Path(self._pattern.replace("{part}", part_name()))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = (self.format(record) + "\n").encode("utf-8", errors="replace")
        except Exception:
            self.handleError(record)
            return
        try:
            self._write(line)
            self._is_failing = False
        except OSError as error:
            self._tell_once(error)

    def close(self) -> None:
        self._shut()
        super().close()

    def _write(self, line: bytes) -> None:
        size = self._open()
        if self._most_bytes and size and size + len(line) > self._most_bytes:
            with suppress(OSError):
                self._rotate()
            self._open()
        if self._is_torn:
            line = b"\n" + line
        written = os.write(self._descriptor, line)
        self._is_torn = written < len(line)
        if os.name == "nt":
            self._shut()
        if self._is_torn:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _open(self) -> int:
        """Have the file open that bears the name now; give its size."""
        path = self._path
        if self._descriptor >= 0:
            mine = os.fstat(self._descriptor)
            try:
                there = path.stat()
            except FileNotFoundError:
                there = None
            if there and (there.st_ino, there.st_dev) == (mine.st_ino, mine.st_dev):
                return mine.st_size
            self._shut()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
        try:
            self._descriptor = os.open(path, flags, MODE)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, flags, MODE)
        return os.fstat(self._descriptor).st_size

    def _rotate(self) -> None:
        with _locked(self._path.with_name(f"{self._path.name}.lock")) as is_ours:
            if not is_ours or self._path.stat().st_size < self._most_bytes / 2:
                # Somebody else is at it, or was.
                return
            self._shut()
            if not self._kept:
                self._path.unlink()
            for number in range(self._kept, 0, -1):
                older = self._numbered(number - 1)
                if older.exists():
                    older.replace(self._numbered(number))

    def _numbered(self, number: int) -> Path:
        name = self._path.name
        return self._path.with_name(f"{name}.{number}" if number else name)

    def _shut(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _tell_once(self, error: OSError) -> None:
        if not self._is_failing and sys.stderr is not None:
            words = error.strerror or str(error)
            sys.stderr.write(f"The log {self._path} cannot be written: {words}\n")
        self._is_failing = True


def part_name() -> str:
    """Tell which part of the bridge this process is, from its command line.

    Settings are read before a command runs, and a worker made by spawn is handed its
    parent's command line.
    """
    program, *words = sys.argv or [""]
    if words[:1] == ["bridge_part"] and len(words) > 1:
        return words[1]
    name = Path(program).name
    if name == "processes.py":
        return "supervisor"
    return "commands" if name in ("manage.py", "django-admin") else "web"


def event_of(record: logging.LogRecord) -> dict[str, str | int]:
    """Give what a program that gathers logs wants to know of an event."""
    moment = datetime.fromtimestamp(record.created, tz=timezone.utc)
    return {
        "time": moment.isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "logger": record.name,
        "message": record.getMessage(),
        "part": part_name(),
        "process": os.getpid(),
    }
