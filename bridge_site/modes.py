"""Who else on this computer can read the bridge's files: told by `manage.py check`."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Warning, register

# Enough to tell that something is open.
MOST_LOOKED_AT, MOST_NAMED = 2000, 3


@register("bridge")
def check_modes(
    app_configs: Sequence[AppConfig] | None, **_kwargs: object
) -> list[CheckMessage]:
    """Report files open to other accounts (W009), and the feed's folder (W010)."""
    if os.name == "nt":
        # Access lists, which the folder hands on, take the place of modes.
        return []
    return [*_open_files(), *_open_feed()]


def is_open(path: Path) -> bool:
    """Tell whether any account on this computer can read a file or enter a folder."""
    try:
        mode = path.stat().st_mode
        ways = [folder.stat().st_mode for folder in path.resolve().parents]
    except OSError:
        return False
    is_ours = stat.S_ISREG(mode) or stat.S_ISDIR(mode)
    return is_ours and bool(mode & stat.S_IRWXO) and all(w & stat.S_IXOTH for w in ways)


def _open_files() -> Iterator[CheckMessage]:
    found = [path for path in _secret_files() if is_open(path)]
    if not found:
        return
    named = ", ".join(str(path) for path in found[:MOST_NAMED])
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    inside = any(path.is_relative_to(settings.VAR_DIR) for path in found)
    others = [path for path in found if not path.is_relative_to(settings.VAR_DIR)]
    ways = [f"chmod o= {path}" for path in others[:MOST_NAMED]]
    ways += [f"chmod o= {settings.VAR_DIR}"] if inside else []
    yield Warning(
        f"Everybody with an account on this computer can read {named}{more}.",
        hint=f"Run as their owner: {'; '.join(ways)}",
        id="bridge.W009",
    )


def _open_feed() -> Iterator[CheckMessage]:
    folder = Path(settings.FEED_DIR)
    if is_open(folder):
        yield Warning(
            f"Everybody with an account on this computer can read the price list in "
            f"{folder}.",
            hint=f"Give the folder to the web server's group and close it to others: "
            f"chgrp www-data {folder}; chmod 2750 {folder}",
            id="bridge.W010",
        )


def _secret_files() -> Iterator[Path]:
    """List settings with secrets, the database and what stands beside it."""
    yield Path(os.environ.get("ENV_FILE") or settings.HOME_DIR / ".env")
    for name in settings.SETTING_DECLARATIONS:
        if file := os.environ.get(f"{name}_FILE"):
            yield Path(file)
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        yield Path(database["NAME"])
    yield from islice(_files_in(settings.VAR_DIR), MOST_LOOKED_AT)


def _files_in(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        # The list's folder is meant to be read by somebody else.
        feed = Path(settings.FEED_DIR)
        folders[:] = [each for each in folders if Path(place) / each != feed]
        yield from (Path(place) / name for name in names)
