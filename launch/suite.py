"""`run.py test`: the whole suite on both databases."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory

from launch.children import StopAsked, stop_signals
from launch.console import ROOT, complain, say
from launch.environment import child_environment
from launch.postgres import throw_away_server
from launch.programs import find_chromium, find_postgresql
from launch.venv import prepared_python

# pytest's last line, such as "==== 3 passed, 1 skipped in 0.12s ====".
CLOSING_LINE = re.compile(
    r".*\b(passed|failed|errors?|skipped|deselected|no tests ran)\b.* in [\d.]+s\b"
)
NO_TESTS = 5
# Each database's run has all processors, and SQLite's one worker more: there are the
# tests that wait, for a browser or for a process that they started.
PROCESSORS = os.cpu_count() or 1
WORKERS = {"SQLite": PROCESSORS + 1, "PostgreSQL": PROCESSORS}


@dataclass
class Run:
    """One run of the suite on one database."""

    database: str
    exit_code: int = 0
    closing_line: str = ""


@dataclass
class Running:
    """A run under way; what it says is kept until it is its turn to be shown."""

    run: Run
    process: subprocess.Popen[str]
    lines: Queue[str | None] = field(default_factory=Queue)

    def __post_init__(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def show(self) -> None:
        """Print all it says to its end."""
        say(f"\nTests on {self.run.database}\n")
        for line in iter(self.lines.get, None):
            say(line)
            if CLOSING_LINE.match(_plain(line)):
                self.run.closing_line = _plain(line)
        self.run.exit_code = self.process.wait()


@dataclass
class Suite:
    """The runs, and what could not be run."""

    python: Path
    arguments: Sequence[str]
    environment: dict[str, str]
    runs: list[Run] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def run(self, databases: Mapping[str, str | None]) -> None:
        """Run pytest on each at the same time and keep the closing lines.

        Maps the name of each database to its address; SQLite needs none.
        """
        with ExitStack() as stack:
            under_way = [
                self._start(database, url, stack) for database, url in databases.items()
            ]
            try:
                for each in under_way:
                    each.show()
            except StopAsked:
                # Nobody told pytest; of a Ctrl-C it knows by itself.
                for each in under_way:
                    each.process.terminate()
                raise

    def _start(self, database: str, url: str | None, stack: ExitStack) -> Running:
        # Two runs at once must not meet on one file.
        folder = Path(self.environment["TEST_VAR_DIR"]) / database.lower()
        environment = {**self.environment, "TEST_VAR_DIR": str(folder)}
        if url:
            environment["TEST_DATABASE_URL"] = url
        # A few files start sooner in one process.
        arguments = self.arguments or all_at_once(database)
        process = subprocess.Popen(  # noqa: S603 - pytest
            [str(self.python), "-m", "pytest", *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        self.runs.append(Run(database=database))
        return Running(run=self.runs[-1], process=stack.enter_context(process))

    def conclude(self) -> int:
        """Print every run's closing line and what was left out; return the status."""
        for reason in self.left_out:
            complain(f"\n!!! NOT TESTED: {reason}")
        say()
        for run in self.runs:
            say(f"{run.database}:\n{run.closing_line or f'exit code {run.exit_code}'}")
        codes = [run.exit_code for run in self.runs]
        if codes.count(NO_TESTS) < len(codes):
            # What was asked for may exist on one database only.
            codes = [0 if code == NO_TESTS else code for code in codes]
        if self.left_out and os.environ.get("REQUIRE_ALL") == "1":
            complain("REQUIRE_ALL=1, so leaving something out is a failure.")
            codes.append(1)
        return max(codes)


def run_tests(arguments: Sequence[str]) -> int:
    """Run the suite on SQLite, and on PostgreSQL if there is one."""
    python = prepared_python("requirements-dev.txt")
    environment = child_environment(without_settings=True)
    del environment["DJANGO_SETTINGS_MODULE"]
    url = environment.pop("TEST_DATABASE_URL", "")
    suite = Suite(python=python, arguments=arguments, environment=environment)
    if chromium := find_chromium():
        environment["CHROMIUM"] = str(chromium)
    else:
        suite.left_out.append(
            "the browser tests, for no Chromium was found (install chromium, or name "
            "one in CHROMIUM)"
        )
    with ExitStack() as stack:
        stack.enter_context(stop_signals(interrupt=False))
        if "TEST_VAR_DIR" not in environment:
            folder = TemporaryDirectory(prefix="bridge-tests-")
            environment["TEST_VAR_DIR"] = stack.enter_context(folder)
        databases: dict[str, str | None] = {"SQLite": None}
        if not url and (programs := find_postgresql()):
            url = stack.enter_context(throw_away_server(programs))
        if url:
            databases["PostgreSQL"] = url
        else:
            suite.left_out.append(
                "PostgreSQL, for no server was found (install postgresql, or name one "
                "in TEST_DATABASE_URL)"
            )
        suite.run(databases)
    return suite.conclude()


def all_at_once(database: str) -> Sequence[str]:
    """Give what lets pytest run the whole suite in several processes."""
    return ("-n", str(WORKERS[database]), "--dist", "worksteal")


def _plain(line: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip()
