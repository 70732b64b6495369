"""What git knows: the revision that runs, what is new, and a folder for a revision."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from launch.children import pause
from launch.console import HOME, CannotGoOn

GIT_WITHIN_S = 600
REMOVED_WITHIN_S = 30.0
FILES_NAMED = 20
# Untracked files of these kinds may be part of what runs; others are nobody's concern.
CODE = (".py", ".html", ".js", ".css", ".po", ".mo", ".xsd", ".txt.in")


class GitFailed(CannotGoOn):
    """git said no; the text is its own."""


def git(*arguments: str, folder: Path = HOME) -> str:
    """Run git and return what it printed; raises `GitFailed`, `CannotGoOn`."""
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    # Of a hook that started us, say: they would name another repository.
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        environment.pop(name, None)
    try:
        done = subprocess.run(  # noqa: S603 - git
            ["git", "-c", "core.quotepath=false", *arguments],  # noqa: S607 - of the PATH
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=GIT_WITHIN_S,
            check=False,
        )
    except FileNotFoundError:
        raise CannotGoOn(
            "git was not found: install it (Debian and Ubuntu: apt install git; "
            "Windows: git-scm.com) and try again."
        ) from None
    except subprocess.TimeoutExpired:
        raise GitFailed(
            f"git {arguments[0]} took longer than {GIT_WITHIN_S} s"
        ) from None
    if done.returncode:
        raise GitFailed(done.stderr.strip() or f"git {arguments[0]} failed")
    return done.stdout


@dataclass(frozen=True)
class Target:
    """The revision to update to, and what it brings."""

    revision: str
    changes: Sequence[str]
    changelog: Sequence[str]


def running_revision(folder: Path) -> str:
    """Return the full revision that is checked out in a folder."""
    try:
        return git("rev-parse", "HEAD", folder=folder).strip()
    except GitFailed as error:
        raise CannotGoOn(
            f"{folder} was not brought by git, so it cannot be updated by it "
            f"({error}): clone the repository and move .env and var/ there."
        ) from None


def refuse_changed_files(folder: Path) -> None:
    """Raise `CannotGoOn` if files were changed by hand: an update would lose that."""
    lines = git("status", "--porcelain", "--untracked-files=normal", folder=folder)
    changed = [
        line
        for line in lines.splitlines()
        if not line.startswith("??") or line.endswith((*CODE, "/"))
    ]
    if changed:
        raise CannotGoOn(
            f"Files in {folder} differ from what git brought, and an update would "
            f"leave that behind. Take the changes back (git stash), or commit them "
            f"where the others come from:\n{_listed(changed)}"
        )


def fetch_target(*, running: str, wanted: str, is_signed: bool) -> Target:
    """Ask the origin what there is, and return what is meant; raises `CannotGoOn`."""
    try:
        git("fetch", "--quiet", "--tags", "--prune", "origin")
    except GitFailed as error:
        raise CannotGoOn(
            f"The origin cannot be asked; all goes on as it was:\n{error}"
        ) from None
    name = wanted or _followed_branch()
    revision = _revision_of(name)
    if not _is_ancestor(running, revision):
        raise CannotGoOn(_not_forward(running, revision, name))
    if is_signed:
        _refuse_unsigned(name, revision)
    changes = git("log", "--format=%h %s", "--no-merges", f"{running}..{revision}")
    return Target(
        revision=revision,
        changes=changes.splitlines(),
        changelog=_new_lines("CHANGELOG.md", running, revision),
    )


def _followed_branch() -> str:
    for name in ("@{upstream}", "origin/HEAD", "origin/main", "origin/master"):
        try:
            git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        except GitFailed:
            continue
        return name
    raise CannotGoOn(
        "No branch of the origin is followed here: git branch --set-upstream-to="
        "origin/main, or name a revision with --to."
    )


def _revision_of(name: str) -> str:
    # A branch is meant as the origin has it, whatever an older copy here says.
    for each in (f"refs/remotes/origin/{name}", name):
        try:
            return git("rev-parse", "--verify", "--quiet", f"{each}^{{commit}}").strip()
        except GitFailed:
            continue
    raise CannotGoOn(f"The origin has no revision {name}.")


def _is_ancestor(older: str, newer: str) -> bool:
    try:
        git("merge-base", "--is-ancestor", older, newer)
    except GitFailed:
        return False
    return True


def _not_forward(running: str, revision: str, name: str) -> str:
    if _is_ancestor(revision, running):
        return (
            f"{revision[:12]} is older than what runs ({running[:12]}): to go back one "
            f"release use `run.py rollback`."
        )
    lost = git("log", "--format=%h %s", f"{revision}..{running}").splitlines()
    files = git("diff", "--name-only", f"{revision}...{running}").splitlines()
    return (
        f"The history of {name} was rewritten: it does not contain what runs here "
        f"({running[:12]}). Nothing was changed; ask whoever publishes it. Not in it:\n"
        f"{_listed(lost)}\nFiles that these commits changed:\n{_listed(files)}"
    )


def _refuse_unsigned(name: str, revision: str) -> None:
    tried = []
    for kind, which in _signable(name, revision):
        try:
            git(kind, which)
        except GitFailed as error:
            tried.append(str(error))
            continue
        return
    raise CannotGoOn(
        f"{revision[:12]} bears no signature that is trusted here, and --signed asks "
        f"for one; nothing was changed.\n" + tried[-1]
    )


def _signable(name: str, revision: str) -> list[tuple[str, str]]:
    """List what may be signed: a tag of that name, if it is this commit's, and it."""
    commit = ("verify-commit", revision)
    try:
        tagged = git("rev-parse", "--verify", "--quiet", f"refs/tags/{name}^{{commit}}")
    except GitFailed:
        return [commit]
    # A branch may bear the name of somebody's tag.
    is_it = tagged.strip() == revision
    return [("verify-tag", f"refs/tags/{name}"), commit] if is_it else [commit]


def _new_lines(file: str, older: str, newer: str) -> list[str]:
    diff = git("diff", "--unified=0", older, newer, "--", file).splitlines()
    return [line[1:] for line in diff if line[:1] == "+" and line[:3] != "+++"]


def make_worktree(folder: Path, revision: str) -> None:
    """Check a revision out into a folder of its own; a whole one is left as it is."""
    if _is_whole(folder, revision):
        return
    remove_worktree(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Once for a folder that git remembers, once for one that a power cut left locked.
    force = ("--force", "--force")
    try:
        git("worktree", "add", "--quiet", "--detach", *force, str(folder), revision)
    except GitFailed as error:
        remove_worktree(folder)
        raise CannotGoOn(
            f"The folder {folder} could not be made; all goes on as it was:\n{error}"
        ) from None
    if not _is_whole(folder, revision):
        raise CannotGoOn(
            f"The folder {folder} is not complete: start the update again."
        )


def _is_whole(folder: Path, revision: str) -> bool:
    """Tell whether an earlier update left the folder complete and untouched."""
    if not (folder / ".git").is_file():
        return False
    try:
        is_there = git("rev-parse", "HEAD", folder=folder).strip() == revision
        return is_there and not git("status", "--porcelain", folder=folder).strip()
    except GitFailed:
        return False


def remove_worktree(folder: Path) -> None:
    """Remove a folder and what git remembers of it."""
    until = time.monotonic() + REMOVED_WITHIN_S
    shutil.rmtree(folder, ignore_errors=True)
    while folder.exists():
        if time.monotonic() > until:
            raise CannotGoOn(f"{folder} cannot be removed: is a program open in it?")
        # The git of an update that was killed fills it for a moment longer.
        pause()
        shutil.rmtree(folder, ignore_errors=True)
    git("worktree", "prune")


def _listed(lines: Sequence[str]) -> str:
    more = (
        [f"… and {len(lines) - FILES_NAMED} more"] if len(lines) > FILES_NAMED else []
    )
    return "\n".join(f"  {line}" for line in [*lines[:FILES_NAMED], *more])
