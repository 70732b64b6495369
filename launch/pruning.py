"""Removes releases that are not needed for a way back."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress

from launch.console import ROOT, CannotGoOn, complain
from launch.releases import HISTORY, RELEASES, SHORT, STATE, current_release, read_json
from launch.repository import remove_worktree
from launch.venv import venv_for

IS_RELEASE = re.compile(rf"[0-9a-f]{{{SHORT}}}")
# The release whose run.py keeps the bridge running may be an older one.
SERVING = STATE / "serving"


def prune(*, keep: int) -> list[str]:
    """Remove all but what runs and `keep` releases before it; returns what went."""
    history = [entry["name"] for entry in read_json(HISTORY).get("releases", [])]
    before = [name for name in reversed(history) if name != current_release().name]
    needed = {current_release().name, ROOT.name, *list(dict.fromkeys(before))[:keep]}
    with suppress(OSError):
        needed.add(SERVING.read_text("ascii").strip())
    removed = []
    for folder in sorted(RELEASES.iterdir()):
        if IS_RELEASE.fullmatch(folder.name) and folder.name not in needed:
            try:
                remove_worktree(folder)
            except CannotGoOn as error:
                complain(str(error))
                continue
            removed.append(folder.name)
    used = {
        venv_for(RELEASES / name / "requirements.txt").name
        for name in needed
        if (RELEASES / name / "requirements.txt").is_file()
    }
    for venv in (RELEASES / "venvs").glob("*"):
        if venv.name not in used:
            shutil.rmtree(venv, ignore_errors=True)
    return removed
