"""`run.py serve`: the bridge against the real peers, from `.env`."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress

from launch.accounts import service_account
from launch.children import StopAsked, pause, rest, stop_signals
from launch.console import HOME, ROOT, CannotGoOn, complain, say
from launch.locks import FileLock, Locked
from launch.notifying import notify, staying_alive
from launch.pruning import SERVING
from launch.releases import SERVE_LOCK, current_release, write_file
from launch.running import (
    NO_ROOM,
    WEB,
    WORKERS,
    WRONG_SETTINGS,
    Bridge,
    environment_of,
    manage_command,
)
from launch.scratch import remove_left_behind
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
NO_ROOM_YET = (
    "The disk is full: nothing can be started. Make room; the bridge then starts by "
    "itself.\nMeanwhile the last price list is given out, and nothing else."
)
LOOK_FOR_ROOM_EVERY_S = 10.0
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
    remove_left_behind()
    _note_serving()
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


def _note_serving() -> None:
    """Note whose code keeps the bridge running; nothing may remove it."""
    # What a full disk does not take must not keep the bridge from waiting for room.
    with suppress(OSError):
        if not SERVING.exists() or SERVING.read_text("ascii") != ROOT.name:
            write_file(SERVING, ROOT.name)


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


def _start_when_there_is_room(host: Host) -> None:
    """Give out the last list until a disk that was full lets the bridge start."""
    complain(NO_ROOM_YET)
    # The service is there: it would be ended for taking too long to begin.
    notify("READY=1")
    host.stop_bridges()
    with staying_alive():
        while host.bridge is None:
            host.stand_in(current_release())
            following = Bridge(current_release())
            try:
                # Beside whoever listens in its place.
                following.start((), prepare=True)
                following.await_supervisor()
            except CannotGoOn:
                following.stop()
                if following.exit_code == NO_ROOM:
                    rest(LOOK_FOR_ROOM_EVERY_S)
                    continue
            except BaseException:
                following.stop()
                raise
            host.bridge = following
        host.bridge.want((*WEB, *WORKERS))
        host.end_substitute()


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
            if code == NO_ROOM:
                _start_when_there_is_room(host)
                continue
            return code
        if time.monotonic() >= look_at:
            look_at = time.monotonic() + LOOK_FOR_UPDATES_EVERY_S
            note_end(host)
            asked = last_update()
            if asked is not None and asked.stage == "asked":
                carry_out(asked, host)
        pause()
    return 1
