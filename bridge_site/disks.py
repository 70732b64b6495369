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
# Without these the bridge stands still; without others it goes on, and worse.
NEEDED = ("VAR_DIR", "FEED_DIR")


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
    def least_mb(self) -> int:
        """Return with less than how much it is low; the mark is a file of a line."""
        least = int(settings.DISK_LOW_MB)
        return min(FULL_MB, least) if self.name == "EPOCH_MARK" else least

    @property
    def is_low(self) -> bool:
        return self.free_mb < self.least_mb

    @property
    def is_nearly_full(self) -> bool:
        return self.free_mb < self.least_mb / 4

    @property
    def is_urgent(self) -> bool:
        """Tell whether people are woken: not for backups, which a day may wait."""
        return self.is_nearly_full and self.name != "BACKUP_DIR"

    @property
    def is_full(self) -> bool:
        return self.free_mb < min(FULL_MB, self.size_bytes // MB / 4)


def read_disks() -> Sequence[Disk]:
    """Measure each disk once, however many of our folders it holds."""
    folders = {name: getattr(settings, name) for name in (*NEEDED, "BACKUP_DIR")}
    if settings.EPOCH_MARK is not None:
        folders["EPOCH_MARK"] = Path(settings.EPOCH_MARK).parent
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
    """Tell whether a disk is full without which the bridge stands still."""
    try:
        return any(disk.is_full for disk in read_disks() if disk.name in NEEDED)
    except OSError:
        return False
