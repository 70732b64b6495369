"""This host: memory of each part, room on the disks, the revision that runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import psutil
from django.conf import settings

from bridge_site.disks import read_disks
from bridge_site.metrics.values import Gauge, Labels, Metric

# In the command line of the supervisor, which keeps no part's name.
SUPERVISOR = "bridge_site.processes"


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
    seen: set[int] = set()
    mine = psutil.Process().username()
    # Parents first: a worker made by spawn has nobody's name in its own command line.
    processes = sorted(psutil.process_iter(), key=lambda process: process.pid)
    for process in processes:
        try:
            part = _part_of(process) if process.username() == mine else ""
            if not part:
                continue
            is_supervisor = part == "supervisor"
            family = [] if is_supervisor else process.children(recursive=True)
        except psutil.Error:
            continue
        for each in (process, *family):
            if each.pid in seen:
                continue
            seen.add(each.pid)
            try:
                memory[part,] += bytes_of(each)
                count[part,] += 1
            except psutil.Error:
                continue
    return memory, count


def _part_of(process: psutil.Process) -> str:
    line = process.cmdline()
    if "bridge_part" in line[1:-1]:
        number = line.index("bridge_part")
        # Another bridge on this host is none of ours.
        program = Path(process.cwd()) / line[number - 1]
        return line[number + 1] if program == settings.BASE_DIR / "manage.py" else ""
    is_ours = SUPERVISOR in line and Path(process.cwd()) == settings.BASE_DIR
    return "supervisor" if is_ours else ""


def bytes_of(process: psutil.Process) -> int:
    """Measure a process; what it shares with others is divided among them."""
    info = process.memory_full_info()
    # Linux alone knows what a process shares with how many.
    return int(getattr(info, "pss", info.rss))
