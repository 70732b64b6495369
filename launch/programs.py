"""Finds the programs that parts of the test suite need."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

CHROMIUM_NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
CHROMIUM_ON_WINDOWS = (
    "Chromium/Application/chrome.exe",
    "Google/Chrome/Application/chrome.exe",
    "Microsoft/Edge/Application/msedge.exe",
)
POSTGRESQL_PROGRAMS = ("initdb", "pg_ctl", "postgres")


def find_chromium() -> Path | None:
    """Return a browser that Playwright can drive; `CHROMIUM` names another one."""
    given = os.environ.get("CHROMIUM")
    if given:
        found = shutil.which(given)
        return Path(found) if found else None
    for name in (*CHROMIUM_NAMES, "chrome", "msedge"):
        if found := shutil.which(name):
            return Path(found)
    for folder in _program_folders():
        for name in CHROMIUM_ON_WINDOWS:
            if (folder / name).is_file():
                return folder / name
    return None


def find_postgresql() -> Path | None:
    """Return the folder with PostgreSQL's server programs, the newest one first."""
    folders: list[Path] = []
    if found := shutil.which("initdb"):
        # Resolved: a link beside the PATH's other programs leads to its real folder.
        folders.append(Path(found).resolve().parent)
    installed = list(Path("/usr/lib/postgresql").glob("*/bin"))
    for folder in _program_folders():
        installed += folder.glob("PostgreSQL/*/bin")
    folders += sorted(installed, key=_version, reverse=True)
    for folder in folders:
        if all(shutil.which(name, path=str(folder)) for name in POSTGRESQL_PROGRAMS):
            return folder
    return None


def _version(bin_folder: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", bin_folder.parent.name)]


def _program_folders() -> Iterator[Path]:
    for name in ("ProgramFiles", "ProgramFiles(x86)", "LocalAppData"):
        if value := os.environ.get(name):
            yield Path(value)
