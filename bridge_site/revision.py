"""Which commit runs, read without git."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from django.conf import settings

SHOWN = 12


@cache
def revision(folder: Path = settings.BASE_DIR) -> str:
    """Give the commit that is checked out, abbreviated; "" where git did not bring it.

    Read once: a later `git pull` changes the files, not what runs.
    """
    git = folder / ".git"
    try:
        if git.is_file():
            git = Path(git.read_text("utf-8").partition(":")[2].strip())
        head = (git / "HEAD").read_text("utf-8").strip()
        name = head.removeprefix("ref: ")
        if name == head:
            return head[:SHOWN]
        common = git / "commondir"
        if common.exists():
            git = (git / common.read_text("utf-8").strip()).resolve()
        if (git / name).exists():
            return (git / name).read_text("utf-8").strip()[:SHOWN]
        packed = (git / "packed-refs").read_text("utf-8").splitlines()
        found = (row.split()[0] for row in packed if row.endswith(f" {name}"))
        return next(found, "")[:SHOWN]
    except OSError:
        return ""
