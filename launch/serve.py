"""`run.py serve`: the bridge against the real peers, from `.env`."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence

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
    WRONG_SETTINGS,
    Bridge,
    environment_of,
    manage_command,
)
from launch.switching import (
    Host,
    carry_out,
    is_interrupted,
    last_update,
    note_end,
    resume,
)

HTTPS_HINT = (
    "Unless HTTPS_ONLY=0, the admin answers over https only: put nginx or Apache in\n"
    "front (deploy/). The price list answers either way."
)
NOTHING_STARTED = (
    "\nNothing was started. Copy .env.example to .env, if that is not done yet, set "
    "there what is listed above, and start again."
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
    if is_interrupted() and not _settings_are_fit():
        # What an update left half done can wait until they are.
        complain(NOTHING_STARTED)
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


def _settings_are_fit() -> bool:
    release = current_release()
    check = manage_command(release, "check", "--tag", "bridge")
    return subprocess.call(check, cwd=HOME, env=environment_of(release)) == 0  # noqa: S603 - our own manage.py


def _only_bridge() -> FileLock:
    try:
        return FileLock(SERVE_LOCK, wait_s=WAIT_FOR_OTHERS_S)
    except Locked:
        raise CannotGoOn(
            "This bridge runs already, or is being updated: one run.py serve is enough."
        ) from None


def _start(host: Host) -> None:
    host.bridge = Bridge(current_release())
    host.bridge.start((*WEB, *WORKERS), prepare=True)


def _keep_running(host: Host) -> int:
    """Run the bridge until it ends or we are asked to stop; switch when asked to."""
    look_at, is_hinted = 0.0, False
    while host.bridge is not None:
        if not is_hinted and host.bridge.turns:
            is_hinted = True
            say(HTTPS_HINT)
        if (code := host.bridge.exit_code) is not None:
            if code == WRONG_SETTINGS:
                complain(NOTHING_STARTED)
                return 1
            return code
        if time.monotonic() >= look_at:
            look_at = time.monotonic() + LOOK_FOR_UPDATES_EVERY_S
            note_end(host)
            asked = last_update()
            if asked is not None and asked.stage == "asked":
                carry_out(asked, host)
        pause()
    return 1
