"""`run.py serve`: the bridge against the real peers, from `.env`."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from launch.accounts import service_account
from launch.children import StopAsked, pause, stop_signals
from launch.console import HOME, ROOT, CannotGoOn, complain, say
from launch.locks import FileLock, Locked
from launch.notifying import notify
from launch.pruning import SERVING
from launch.releases import SERVE_LOCK, current_release, write_file
from launch.running import (
    WEB,
    WORKERS,
    Bridge,
    environment_of,
    manage_command,
    manage_to_end,
)
from launch.switching import Host, carry_out, last_update, note_end, resume

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
# An update of a stopped bridge, or a bridge that is just stopping.
WAIT_FOR_OTHERS_S = 30
LOOK_FOR_UPDATES_EVERY_S = 1.0


def serve(arguments: Sequence[str]) -> int:
    """Check the settings, bring the database up to date, run until stopped."""
    if arguments:
        raise CannotGoOn("serve takes no arguments; its settings stand in .env.")
    if service_account():
        raise CannotGoOn(
            "As root it would leave files that the bridge's own account cannot write: "
            "systemctl start kaspi-bridge, or start it as that account "
            "(deploy/server.md)."
        )
    release = current_release()
    check = manage_command(release, "check", "--tag", "bridge")
    if subprocess.call(check, cwd=HOME, env=environment_of(release)):  # noqa: S603 - our own manage.py
        complain(
            "\nNothing was started. Copy .env.example to .env, if that is not done "
            "yet, set there what is listed above, and start again."
        )
        return 1
    lock = _only_bridge()
    write_file(SERVING, ROOT.name)
    host = Host(bridge=None, is_serving=True)
    with stop_signals():
        try:
            resume(host)
            if host.bridge is None:
                _start(host)
            return _keep_running(host)
        except StopAsked:
            say("Stopping…")
            notify("STOPPING=1")
            return 0
        finally:
            host.stop()
            lock.release()


def _only_bridge() -> FileLock:
    try:
        return FileLock(SERVE_LOCK, wait_s=WAIT_FOR_OTHERS_S)
    except Locked:
        raise CannotGoOn(
            "This bridge runs already, or is being updated: one run.py serve is enough."
        ) from None


def _start(host: Host) -> None:
    release = current_release()
    for command in PREPARATIONS:
        # Of code that is another's, whoever brought it has collected them.
        if command[0] != "collectstatic" or _is_ours(release.folder):
            manage_to_end(release, *command)
    say(HTTPS_HINT)
    host.bridge = Bridge(release)
    host.bridge.start((*WEB, *WORKERS))


def _is_ours(folder: Path) -> bool:
    """Try whether we may write there: on Windows nothing else tells."""
    probe = folder / f".ours-{os.getpid()}"
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError:
        return False
    return True


def _keep_running(host: Host) -> int:
    """Run the bridge until it ends or we are asked to stop; switch when asked to."""
    look_at = 0.0
    while host.bridge is not None:
        if (code := host.bridge.exit_code) is not None:
            return code
        if time.monotonic() >= look_at:
            look_at = time.monotonic() + LOOK_FOR_UPDATES_EVERY_S
            note_end(host)
            asked = last_update()
            if asked is not None and asked.stage == "asked":
                carry_out(asked, host)
        pause()
    return 1
