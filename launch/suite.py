"""`run.py test`: the whole suite on both databases."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
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
# The whole suite takes all processors and one more worker, for many tests wait, for a
# peer, a browser or a process that they started. With more of them a peer of the tests
# answers too late. A few files start sooner in one process.
AT_ONCE = ("-n", str(1 + (os.cpu_count() or 1)), "--dist", "worksteal")


@dataclass
class Run:
    """One run of the suite on one database."""

    database: str
    exit_code: int = 0
    closing_line: str = ""


@dataclass
class Suite:
    """The runs so far, and what could not be run."""

    python: Path
    arguments: Sequence[str]
    environment: dict[str, str]
    runs: list[Run] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def run(self, database: str, url: str | None) -> None:
        """Run pytest once and keep its closing line."""
        say(f"\nTests on {database}\n")
        environment = dict(self.environment)
        if url:
            environment["TEST_DATABASE_URL"] = url
        run = Run(database=database)
        self.runs.append(run)
        command = [str(self.python), "-m", "pytest", *self.arguments]
        with subprocess.Popen(  # noqa: S603 - pytest
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        ) as process:
            try:
                for line in process.stdout or ():
                    say(line.rstrip("\n"))
                    if CLOSING_LINE.match(_plain(line)):
                        run.closing_line = _plain(line)
            except StopAsked:
                # Nobody told pytest; of a Ctrl-C it knows by itself.
                process.terminate()
                raise
        run.exit_code = process.returncode

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
    # Some hundred processes would each compile the bridge anew.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    url = environment.pop("TEST_DATABASE_URL", "")
    suite = Suite(
        python=python, arguments=arguments or AT_ONCE, environment=environment
    )
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
            # Two runs at once must not meet on one database file.
            folder = TemporaryDirectory(prefix="bridge-tests-")
            environment["TEST_VAR_DIR"] = stack.enter_context(folder)
        suite.run("SQLite", None)
        if not url and (programs := find_postgresql()):
            url = stack.enter_context(throw_away_server(programs))
        if url:
            suite.run("PostgreSQL", url)
        else:
            suite.left_out.append(
                "PostgreSQL, for no server was found (install postgresql, or name one "
                "in TEST_DATABASE_URL)"
            )
    return suite.conclude()


def _plain(line: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip()
