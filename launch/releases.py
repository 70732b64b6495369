"""Releases: a folder for each revision, and a plain file that names the one that runs.

Everything about them stands under `releases/` of the home folder: `state/current` is
the pointer, `state/update.json` how far an update has come, `state/history.json` what
ran before. A revision that is checked out in the home folder itself is named `.`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launch.console import HOME

RELEASES = HOME / "releases"
STATE = RELEASES / "state"
POINTER = STATE / "current"
UPDATE = STATE / "update.json"
HISTORY = STATE / "history.json"
# Why the last update could not begin.
REFUSED = STATE / "refused.json"
# Held by whoever prepares an update, and by whoever keeps the bridge running.
UPDATE_LOCK = STATE / "update.lock"
SERVE_LOCK = STATE / "serve.lock"
# How much of a revision names its folder.
SHORT = 12
# On Windows a file that somebody is just reading cannot be replaced.
TRIES, TRY_AGAIN_AFTER_S = 40, 0.05


@dataclass(frozen=True)
class Release:
    """The code of one revision in a folder of its own, or in the home folder."""

    name: str

    @property
    def folder(self) -> Path:
        return HOME if self.name == "." else RELEASES / self.name

    @property
    def manage(self) -> Path:
        return self.folder / "manage.py"


def current_release() -> Release:
    """Return the release that the pointer names; without one, the home folder's."""
    try:
        return Release(POINTER.read_text("ascii").strip() or ".")
    except OSError:
        return Release(".")


def point_at(release: Release) -> None:
    """Let everything that starts from now on run this release."""
    write_file(POINTER, release.name + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a file of ours; empty when it is not there or not ours."""
    try:
        read = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_file(path, json.dumps(content, indent=1, ensure_ascii=False))


def write_file(path: Path, text: str) -> None:
    """Replace a file whole: after a power cut it is the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    for left in reversed(range(TRIES)):
        try:
            draft.replace(path)
            break
        except PermissionError:
            if not left:
                raise
            time.sleep(TRY_AGAIN_AFTER_S)
    if os.name != "nt":
        # So that the name is on the disk, too.
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
