"""`run.py serve`: the bridge against the real peers, from `.env`."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from launch.children import (
    Child,
    StopAsked,
    pause,
    run_to_end,
    stop_all,
    stop_signals,
)
from launch.console import ROOT, CannotGoOn, complain, say
from launch.environment import child_environment
from launch.venv import prepared_python

HTTPS_HINT = (
    "Unless HTTPS_ONLY=0, the admin answers over https only: put nginx or Apache in\n"
    "front (deploy/). The price list answers either way."
)
PREPARATIONS = (
    ("migrate", "--noinput", "-v", "0"),
    ("collectstatic", "--noinput", "-v", "0"),
    ("sync_roles",),
    ("sync_schedules",),
)


def serve(arguments: Sequence[str]) -> int:
    """Check the settings, bring the database up to date, run until stopped."""
    if arguments:
        raise CannotGoOn("serve takes no arguments; its settings stand in .env.")
    python = prepared_python("requirements.txt")
    environment = child_environment()
    manage = [str(python), "manage.py"]
    check = [*manage, "check", "--tag", "bridge"]
    if subprocess.call(check, cwd=ROOT, env=environment):  # noqa: S603 - our own manage.py
        complain(
            "\nNothing was started. Copy .env.example to .env, if that is not done "
            "yet, set there what is listed above, and start again."
        )
        return 1
    with stop_signals():
        try:
            for command in PREPARATIONS:
                run_to_end(command[0], [*manage, *command], environment=environment)
            say(HTTPS_HINT)
            return run_bridge(manage, environment)
        except StopAsked:
            return 0


def run_bridge(manage: Sequence[str], environment: dict[str, str]) -> int:
    """Run the bridge until it ends or we are asked to stop it."""
    command = [*manage, "bridge", "--exit-with-parent"]
    bridge = Child("bridge", command, environment=environment)
    try:
        while bridge.exit_code is None:
            pause()
        return bridge.exit_code
    except StopAsked:
        say("Stopping…")
        return 0
    finally:
        stop_all([bridge])
