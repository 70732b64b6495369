"""What each start makes sure of: the database, the pages' files, roles, schedules."""

from __future__ import annotations

import hashlib
import os
from importlib.metadata import version
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command

from bridge_site.updating import has_migrations

# Beside what was collected: of which files that was made.
STAMP = "collected-from.txt"


def make_ready() -> None:
    """Bring all of it up to date; quick where nothing has changed."""
    if has_migrations():
        call_command("migrate", interactive=False, verbosity=0)
    # Of code that is another's, whoever brought it has collected them.
    if _is_ours(settings.BASE_DIR):
        collect_static()
    call_command("sync_roles")
    call_command("sync_schedules")


def _is_ours(folder: Path) -> bool:
    """Try whether we may write there: on Windows nothing else tells."""
    probe = folder / f".ours-{os.getpid()}"
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError:
        return False
    return True


def collect_static() -> bool:
    """Collect the pages' files if any is another than before; tell whether it did."""
    stamp = Path(settings.STATIC_ROOT) / STAMP
    wanted = _digest_of_sources()
    if stamp.is_file() and stamp.read_text("ascii") == wanted:
        return False
    stamp.unlink(missing_ok=True)
    call_command("collectstatic", interactive=False, verbosity=0)
    stamp.write_text(wanted, "ascii")
    return True


def _digest_of_sources() -> str:
    """Tell of which files the collected ones are made, without reading these."""
    made_by = (
        version("django"),
        version("whitenoise"),
        settings.STORAGES["staticfiles"]["BACKEND"],
    )
    digest = hashlib.sha256("\n".join(made_by).encode())
    for finder in get_finders():
        for name, storage in sorted(finder.list(None), key=lambda found: found[0]):
            stat = Path(storage.path(name)).stat()
            digest.update(f"{name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()
