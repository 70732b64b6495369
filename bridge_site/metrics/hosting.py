"""This host: memory of each part, room on the disks, the revision that runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import psutil
from django.conf import settings

from bridge_site.disks import read_disks
from bridge_site.forking import command_of
from bridge_site.metrics.values import Gauge, Labels, Metric

# In the command line of the supervisor, which keeps no part's name.
SUPERVISOR = "bridge_site.processes"
MANAGE = "manage.py"


def read_host() -> Iterator[Metric]:
    """Measure what needs no database; the parts on this host only."""
    memory, count = _parts()
    yield Gauge(
        name="bridge_memory_bytes",
        help="Memory of a part on this host; what processes share is counted once.",
        labels=("part",),
        values=memory,
    )
    yield Gauge(
        name="bridge_processes",
        help="Processes of a part on this host.",
        labels=("part",),
        values=count,
    )
    disks = read_disks()
    for name, help_, values in (
        ("bridge_disk_free_bytes", "Room left", [d.free_bytes for d in disks]),
        ("bridge_disk_size_bytes", "Room in all", [d.size_bytes for d in disks]),
    ):
        pairs = zip(disks, values, strict=True)
        yield Gauge(
            name=name,
            help=f"{help_} on a disk that the bridge writes to.",
            labels=("folder",),
            values={(disk.name,): value for disk, value in pairs},
        )


def _parts() -> tuple[dict[Labels, float], dict[Labels, float]]:
    memory: dict[Labels, float] = defaultdict(float)
    count: dict[Labels, float] = defaultdict(float)
    mine = psutil.Process().username()
    for process in psutil.process_iter():
        try:
            if process.username() != mine or not (part := _part_of(process)):
                continue
            memory[part,] += bytes_of(process)
            count[part,] += 1
        except psutil.Error:
            continue
    return memory, count


def _part_of(process: psutil.Process) -> str:
    """Name the part whose process it is, or a child of whose; empty if of none here."""
    named = ""
    for each in (process, *process.parents()):
        line = command_of(each)
        if "bridge_part" in line[:-1]:
            number = line.index("bridge_part")
            named = named or line[number + 1]
            # One that was forked bears its name alone; whose it is tells its parent.
            if number and _is_ours(each, line[number - 1]):
                return named
        elif SUPERVISOR in line and _is_ours(each, MANAGE):
            return named if named not in ("", "nursery") else "supervisor"
    return ""


def _is_ours(process: psutil.Process, program: str) -> bool:
    """Tell whether it is this bridge's: another one on this host is none of ours."""
    return Path(process.cwd()) / program == settings.BASE_DIR / MANAGE


def bytes_of(process: psutil.Process) -> int:
    """Measure a process; what it shares with others is divided among them."""
    info = process.memory_full_info()
    # Linux alone knows what a process shares with how many.
    return int(getattr(info, "pss", info.rss))
