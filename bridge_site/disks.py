"""How much room there is where the bridge writes."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

MB = 1_000_000
# A page of the database, a line of the log, a price list: nothing is sure to fit.
FULL_MB = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A disk that the bridge writes to, by the first of its folders there."""

    name: str
    folder: Path
    free_bytes: int
    size_bytes: int

    @property
    def free_mb(self) -> int:
        return self.free_bytes // MB

    @property
    def is_low(self) -> bool:
        return self.free_mb < settings.DISK_LOW_MB

    @property
    def is_nearly_full(self) -> bool:
        return self.free_mb < settings.DISK_LOW_MB / 4

    @property
    def is_full(self) -> bool:
        return self.free_mb < min(FULL_MB, self.size_bytes // MB / 4)


def read_disks() -> Sequence[Disk]:
    """Measure each disk once, however many of our folders it holds."""
    folders = {"VAR_DIR": settings.VAR_DIR, "FEED_DIR": settings.FEED_DIR}
    disks: dict[int, Disk] = {}
    for name, folder in folders.items():
        there = next(p for p in (Path(folder), *Path(folder).parents) if p.exists())
        device = there.stat().st_dev
        if device not in disks:
            usage = shutil.disk_usage(there)
            disks[device] = Disk(
                name=name,
                folder=Path(folder),
                free_bytes=usage.free,
                size_bytes=usage.total,
            )
    return list(disks.values())


def is_any_full() -> bool:
    try:
        return any(disk.is_full for disk in read_disks())
    except OSError:
        return False
