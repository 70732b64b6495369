"""Idle load of the whole embedded bridge: web, both clusters and their supervisor.

    .venv/bin/python bench/idle.py [--seconds 60]

Starts the bridge on a fresh SQLite database against the sandbox, with the demo's goods
on sale, opens the admin's pages, lets every scheduled task run once, then measures.
Memory is the sum of PSS: each shared page counts once, divided among its users.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path

import psutil
import requests

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.embedded import embedded_bridge, sign_in

MAX_MIB, MAX_PERCENT = 300, 3
# The clusters look at their schedules every 30 s; then the first tasks need a moment.
WARM_UP_S = 50
# Supervisor, web, dispatch; per cluster the sentinel, pusher, worker and monitor.
WHOLE_FAMILY = 11
PAGES = (
    *("", "catalog/product/", "catalog/category/", "feeds/feedbuild/"),
    *("orders/order/", "auth/user/"),
)


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=60)
    seconds = options.parse_args().seconds
    with embedded_bridge() as bridge:
        began = time.monotonic()
        open_pages(bridge.site)
        time.sleep(max(0.0, WARM_UP_S - (time.monotonic() - began)))
        return report(bridge.pid, seconds)


def open_pages(site: str) -> None:
    """Log in and look at the admin as staff do, so that its code is loaded."""
    with requests.Session() as browser:
        sign_in(browser, site, username="owner")
        for page in PAGES:
            answer = browser.get(f"{site}/admin/{page}", timeout=10)
            answer.raise_for_status()
        browser.get(f"{site}/kaspi_price_list.xml", timeout=10).raise_for_status()


def family(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def pss_mib(process: psutil.Process) -> float:
    rollup = Path(f"/proc/{process.pid}/smaps_rollup")
    if rollup.is_file():
        found = re.search(r"^Pss:\s+(\d+) kB", rollup.read_text(), re.MULTILINE)
        return int(found.group(1)) / 1024 if found else 0.0
    # Elsewhere the working set; shared pages then count for each process.
    return float(process.memory_info().rss / (1 << 20))


def cpu_seconds(processes: list[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    # A worker that ended meanwhile has handed its time to its parent.
    return sum(t.user + t.system + t.children_user + t.children_system for t in times)


def label(process: psutil.Process) -> str:
    words = process.cmdline()
    if "bridge_part" not in words:
        return "supervisor"
    part = words[words.index("bridge_part") + 1]
    child = process.parent()
    return (
        part if child and "bridge_part" not in child.cmdline() else f"  {part}: child"
    )


def report(pid: int, seconds: float) -> int:
    before, began = cpu_seconds(family(pid)), time.monotonic()
    known = {process.pid for process in family(pid)}
    time.sleep(seconds)
    processes = family(pid)
    if {process.pid for process in processes} != known or len(known) < WHOLE_FAMILY:
        raise RuntimeError("a part is missing or was started anew: no measurement")
    spent = cpu_seconds(processes) - before
    percent = 100 * spent / (time.monotonic() - began)
    sizes = [(label(process), pss_mib(process)) for process in processes]
    for name, size in sorted(sizes):
        print(f"{name:<18}{size:7.1f} MiB")
    total = sum(size for _name, size in sizes)
    print(f"{'sum of PSS':<18}{total:7.1f} MiB   (bar {MAX_MIB})")
    print(f"{'CPU while idle':<18}{percent:7.2f} %     (bar {MAX_PERCENT} of one core)")
    return int(total > MAX_MIB or percent > MAX_PERCENT)


if __name__ == "__main__":
    raise SystemExit(main())
