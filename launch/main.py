"""run.py's command line."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence

from launch.accounts import service_account
from launch.audit import audit
from launch.children import StopAsked
from launch.console import HOME, ROOT, CannotGoOn, accept_any_text, complain
from launch.demo import demo
from launch.environment import child_environment
from launch.serve import serve
from launch.suite import run_tests
from launch.update import rollback, update
from launch.venv import prepared_python

USAGE = """\
python3 run.py COMMAND

  demo [--interval S] [--port N]   the whole bridge against pretended peers
  serve                            the bridge against Al-Style and Kaspi, from .env
  update [--check] [--to REV]      the newest revision from git, or back if it fails
  rollback                         the release that ran before
  test [pytest's arguments]        the test suite on SQLite and PostgreSQL
  audit                            known holes of the pinned packages
  manage COMMAND …                 one of the bridge's own commands
"""


def manage(arguments: Sequence[str]) -> int:
    python = prepared_python("requirements.txt")
    command = [str(python), str(ROOT / "manage.py"), *arguments]
    # As whoever owns the data; the pages' files are the code's owner's.
    account = {} if arguments[:1] == ["collectstatic"] else service_account()
    return subprocess.call(  # noqa: S603 - our own manage.py
        command, cwd=HOME, env=child_environment(), **account
    )


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "demo": demo,
    "serve": serve,
    "update": update,
    "rollback": rollback,
    "test": run_tests,
    "audit": audit,
    "manage": manage,
}


def main(arguments: Sequence[str]) -> int:
    """Run a command and return the exit status."""
    accept_any_text()
    if not arguments or arguments[0] not in COMMANDS:
        complain(USAGE)
        return 0 if arguments and arguments[0] in ("-h", "--help", "help") else 2
    try:
        return COMMANDS[arguments[0]](arguments[1:])
    except CannotGoOn as reason:
        complain(str(reason))
        return 1
    except (KeyboardInterrupt, StopAsked):
        return 130
