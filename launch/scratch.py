"""Folders for a while, and what is left of them by a run.py that was killed."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from launch.console import HOME
from launch.releases import STATE

# Of this installation, of which there may be several on a computer.
OURS = f"bridge-{hashlib.sha256(str(HOME).encode()).hexdigest()[:8]}-"


def new_folder(purpose: str) -> TemporaryDirectory[str]:
    """Make a folder that goes with its owner, if that one ends in order."""
    return TemporaryDirectory(prefix=f"{OURS}{purpose}-", ignore_cleanup_errors=True)


def remove_left_behind() -> None:
    """Remove the folders of whoever was killed; for him who alone may have any."""
    for folder in Path(gettempdir()).glob(f"{OURS}*"):
        if _is_ours(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    """Tell whether we made it: elsewhere than on Windows others write there, too."""
    try:
        found = folder.lstat()
        whose = {STATE.stat().st_uid}
    except OSError:
        return False
    if hasattr(os, "geteuid"):
        whose.add(os.geteuid())
    return stat.S_ISDIR(found.st_mode) and found.st_uid in whose
