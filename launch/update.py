"""`run.py update` and `run.py rollback`."""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress

from launch.accounts import hand_over
from launch.children import pause, stop_signals
from launch.console import CannotGoOn, complain, say
from launch.locks import FileLock, Locked
from launch.preparing import prepare
from launch.pruning import prune
from launch.releases import (
    REFUSED,
    SERVE_LOCK,
    UPDATE_LOCK,
    current_release,
    write_json,
)
from launch.repository import (
    Target,
    fetch_target,
    refuse_changed_files,
    running_revision,
)
from launch.switching import (
    STAGES,
    Host,
    Update,
    ask_for,
    carry_out,
    last_update,
    release_before,
    resume,
)

LINES_SHOWN = 40
# Of a bridge that is just starting, its preparations included.
TAKEN_UP_WITHIN_S = 120.0


def update(arguments: Sequence[str]) -> int:
    """Bring the newest revision to run, or leave all as it was."""
    options = _parse(arguments)
    with stop_signals():
        lock = _only_update()
        try:
            _finish_interrupted()
            status = _update(options)
        except (CannotGoOn, OSError, subprocess.SubprocessError) as error:
            if not options.check:
                # A timer's words are read by nobody; an alert's are. The disk may be
                # what is full.
                with suppress(OSError):
                    write_json(REFUSED, {"at": time.time(), "reason": str(error)})
            raise CannotGoOn(str(error)) from error
        finally:
            lock.release()
    REFUSED.unlink(missing_ok=True)
    return status


def rollback(arguments: Sequence[str]) -> int:
    """Let the release before run again; the database stays as it is."""
    parser = argparse.ArgumentParser(prog="run.py rollback", description=__doc__)
    _add_patience(parser)
    options = parser.parse_args(arguments)
    with stop_signals():
        lock = _only_update()
        try:
            _finish_interrupted()
            current = current_release()
            before = release_before()
            if before is None or not before[0].manage.is_file():
                raise CannotGoOn("There is no release before this one to go back to.")
            release, revision = before
            if running_revision(release.folder) != revision:
                raise CannotGoOn(
                    f"{release.folder} does not hold {revision[:12]} any more, which "
                    f"ran before: check it out there, then try again."
                )
            say(f"Going back to {revision[:12]}.")
            return _switch(
                Update(
                    kind="rollback",
                    before=current.name,
                    after=release.name,
                    revision_before=running_revision(current.folder),
                    revision=revision,
                    steady_s=options.watch,
                )
            )
        finally:
            lock.release()


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.py update", description=update.__doc__)
    parser.add_argument("--check", action="store_true", help="tell what is new, only")
    parser.add_argument("--to", default="", metavar="REV", help="not the newest one")
    parser.add_argument(
        "--signed", action="store_true", help="refuse what nobody trusted has signed"
    )
    parser.add_argument(
        "--keep", type=int, default=3, metavar="N", help="older releases kept"
    )
    _add_patience(parser)
    return parser.parse_args(arguments)


def _add_patience(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--watch",
        type=float,
        default=15.0,
        metavar="S",
        help="seconds for which the new workers must live",
    )


def _only_update() -> FileLock:
    try:
        return FileLock(UPDATE_LOCK)
    except Locked:
        under_way = last_update()
        stage = under_way.stage if under_way and not under_way.is_over else ""
        raise CannotGoOn(
            "Another update is under way"
            + (f": {STAGES[stage]}." if stage else ": it makes the new release ready.")
        ) from None


def _finish_interrupted() -> None:
    """Bring an update that was killed to its end before anything else is begun."""
    under_way = last_update()
    if under_way is None or under_way.is_over:
        return
    if serving := _stopped_bridge():
        try:
            resume(Host(bridge=None, is_serving=False))
        finally:
            serving.release()
        return
    say("An earlier update is still under way; waiting for its end…")
    _follow(under_way)


def _update(options: argparse.Namespace) -> int:
    current = current_release()
    running = running_revision(current.folder)
    refuse_changed_files(current.folder)
    target = fetch_target(running=running, wanted=options.to, is_signed=options.signed)
    if target.revision == running:
        say(f"{running[:12]} runs, and there is nothing newer.")
        return 0
    _tell(running, target)
    if options.check:
        return 0
    if not options.to and _was_taken_back(target.revision):
        short = target.revision[:12]
        complain(
            f"{short} ran here and was taken back: it is not tried again by itself. To "
            f"try it nevertheless: run.py update --to {short}"
        )
        return 0
    release = prepare(target.revision, running=current)
    return _switch(
        Update(
            before=current.name,
            after=release.name,
            revision_before=running,
            revision=target.revision,
            steady_s=options.watch,
        ),
        keep=options.keep,
    )


def _tell(running: str, target: Target) -> None:
    say(f"{running[:12]} runs; {target.revision[:12]} is new:")
    for line in _short(target.changelog):
        say(f"  {line}")
    say(f"\n{len(target.changes)} changes:")
    for line in _short(target.changes):
        say(f"  {line}")


def _short(lines: Sequence[str]) -> Sequence[str]:
    if len(lines) <= LINES_SHOWN:
        return lines
    return [*lines[:LINES_SHOWN], f"… {len(lines) - LINES_SHOWN} lines more"]


def _was_taken_back(revision: str) -> bool:
    last = last_update()
    if last is None:
        return False
    is_undone = last.stage == "undone" and last.revision == revision
    was_left = last.kind == "rollback" and last.revision_before == revision
    return is_undone or (was_left and last.stage == "done")


def _switch(update: Update, *, keep: int | None = None) -> int:
    """Let whoever keeps the bridge running switch, or do it if nobody does."""
    serving = _stopped_bridge()
    if serving is None:
        ask_for(update)
        _follow(update)
        update = last_update() or update
    else:
        try:
            ask_for(update)
            carry_out(update, Host(bridge=None, is_serving=False))
        finally:
            serving.release()
    if update.stage != "done":
        complain(f"\nNothing was updated. Why:\n{update.reason}")
        return 1
    away = f" The site was away for {update.away_s:g} s." if update.away_s else ""
    say(f"{update.revision[:12]} runs.{away}")
    if keep is not None:
        prune(keep=keep)
    return 0


def _stopped_bridge() -> FileLock | None:
    """Return the lock that keeps a stopped bridge from starting; None if it runs."""
    try:
        lock = FileLock(SERVE_LOCK)
    except Locked:
        return None
    # Whoever makes it first, the bridge must be able to lock it.
    hand_over(SERVE_LOCK)
    return lock


def _follow(asked: Update) -> None:
    """Tell what the running bridge does with the update, until its end."""
    told, until = "", time.monotonic() + TAKEN_UP_WITHIN_S
    while True:
        now = last_update() or asked
        if now.stage != told:
            told = now.stage
            say(f"  {STAGES[told]}")
        if now.is_over:
            return
        if now.stage == "asked" and time.monotonic() > until:
            now.reason = "the running bridge did not take it up"
            now.reach("undone")
            return
        if serving := _stopped_bridge():
            serving.release()
            raise CannotGoOn(
                "The bridge ended meanwhile: start it again, and it brings the update "
                "to its end."
            )
        pause()
