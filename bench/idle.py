"""Idle load of the whole embedded bridge: its parts, what forks them, the supervisor.

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
from bridge_site.forking import command_of

MAX_MIB, MAX_PERCENT = 200, 0.5
# The first tasks need a moment.
WARM_UP_S = 50
# Supervisor, nursery, web, dispatch, both clusters; no nursery where none can fork.
WHOLE_FAMILY = 6 if sys.platform == "linux" else 5
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


def cpu_seconds(process: psutil.Process) -> float:
    t = process.cpu_times()
    # What ended meanwhile has handed its time to its parent.
    return t.user + t.system + t.children_user + t.children_system


def label(process: psutil.Process) -> str:
    words = command_of(process)
    if "bridge_part" not in words:
        return "supervisor"
    return words[words.index("bridge_part") + 1]


def report(pid: int, seconds: float) -> int:
    before = {process.pid: cpu_seconds(process) for process in family(pid)}
    began = time.monotonic()
    time.sleep(seconds)
    processes = family(pid)
    if {each.pid for each in processes} != set(before) or len(before) < WHOLE_FAMILY:
        raise RuntimeError("a part is missing or was started anew: no measurement")
    took_s = time.monotonic() - began
    size, percent = 0.0, 0.0
    for process in processes:
        pss = pss_mib(process)
        busy = 100 * (cpu_seconds(process) - before[process.pid]) / took_s
        print(f"{label(process):<12}{pss:7.1f} MiB {busy:6.2f} %")
        size, percent = size + pss, percent + busy
    print(f"{'whole':<12}{size:7.1f} MiB {percent:6.2f} % of one core")
    print(f"{'bars':<12}{MAX_MIB:7.1f} MiB {MAX_PERCENT:6.2f} %")
    return int(size > MAX_MIB or percent > MAX_PERCENT)


if __name__ == "__main__":
    raise SystemExit(main())
