"""Makes a release ready and tries it, while the old one works as before."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from launch.accounts import hand_over, service_account
from launch.console import HOME, CannotGoOn, say
from launch.releases import RELEASES, SHORT, Release
from launch.repository import make_worktree
from launch.running import ask_manage, environment_of, last_words, manage_command

CHECKED_WITHIN_S = 3600
REHEARSAL = RELEASES / "rehearsal"


def prepare(revision: str, *, running: Release) -> Release:
    """Return the release of a revision, made and found fit; raises `CannotGoOn`."""
    release = Release(revision[:SHORT])
    say(f"Making the folder releases/{release.name}…")
    make_worktree(RELEASES / release.name, revision)
    # Makes the environment, unless a release before asked for the same.
    python = manage_command(release)[0]
    _compile(release, python)
    say("Checking it while the old release works…")
    _check(release, "check", "--tag", "bridge")
    _check(release, "check", "--deploy")
    # Into the release's folder, which is its maker's.
    _check(release, "collectstatic", "--noinput", "-v", "0", account={})
    # Not among the temporary files, where a killed one would leave what it copied.
    shutil.rmtree(REHEARSAL, ignore_errors=True)
    REHEARSAL.mkdir(mode=0o700)
    try:
        _rehearse(release, REHEARSAL, running=running)
    finally:
        shutil.rmtree(REHEARSAL, ignore_errors=True)
    return release


def _compile(release: Release, python: str) -> None:
    """Compile the code as its owner: who runs it may not write there.

    Each start would compile all of it anew, the one that the site is away for as well.
    """
    parts = ["-m", "compileall", "-q", "-x", r"[\\/](tests|bench)[\\/]"]
    subprocess.run(  # noqa: S603 - our own files
        [python, *parts, str(release.folder)],
        cwd=HOME,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=CHECKED_WITHIN_S,
        check=False,
    )


def _rehearse(release: Release, scratch: Path, *, running: Release) -> None:
    """Migrate a copy of the database, and let the release test itself with that.

    PostgreSQL's is not copied: there an empty one is taken, and only the plan is read
    of the real one.
    """
    # What a relative name means depends on none of it, and no mark is shared.
    hand_over(scratch)
    elsewhere = {
        "VAR_DIR": str(scratch),
        "FEED_DIR": str(scratch / "feed"),
        "EPOCH_MARK": str(scratch / "epoch.json"),
        "DATABASE_URL_FILE": str(scratch / "database-url"),
    }
    copy = scratch / "copy.sqlite3"
    (scratch / "database-url").write_text(f"sqlite:///{copy.as_posix()}", "utf-8")
    ask_manage(running, "update_database", "copy", str(copy))
    _check(release, "migrate", "--plan")
    environment = {**environment_of(release), **elsewhere}
    _check(release, "migrate", "--noinput", "-v", "0", environment=environment)
    _check(release, "self_test", environment=environment)


def _check(
    release: Release,
    *arguments: str,
    environment: dict[str, str] | None = None,
    account: dict[str, Any] | None = None,
) -> None:
    done = subprocess.run(  # noqa: S603 - our own manage.py
        manage_command(release, *arguments),
        cwd=HOME,
        env=environment or environment_of(release),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        timeout=CHECKED_WITHIN_S,
        check=False,
        **(service_account() if account is None else account),
    )
    if done.returncode:
        raise CannotGoOn(
            f"The new release is not fit ({' '.join(arguments[:2])}); what runs was "
            f"not touched:\n{last_words(done.stdout.splitlines())}"
        )
