"""Idle load of the whole embedded bridge: its parts, what forks them, the supervisor.

    .venv/bin/python bench/idle.py [--seconds 300]

Starts the bridge on a fresh SQLite database against the sandbox, with the demo's goods
on sale, opens the admin's pages, lets every scheduled task run once, then measures.
Memory is the sum of PSS: each shared page counts once, divided among its users.

A virtual machine pays for each waking of a processor, and what it pays differs tenfold
from hour to hour: beside each part stand its wakings, and at the end what a process
paid meanwhile for each that does nothing else.
"""

from __future__ import annotations

import argparse
import re
import subprocess
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


# Wakes twice a second, as the quietest of the parts does, and does nothing.
SLEEPER = "import time\nwhile True: time.sleep(0.5)"


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=300)
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


def wakings(process: psutil.Process) -> int:
    """Count how often its threads went to sleep; of one that ended, no more."""
    threads = Path(f"/proc/{process.pid}/task")
    if not threads.is_dir():
        return int(process.num_ctx_switches().voluntary)
    said = "".join((thread / "status").read_text() for thread in threads.iterdir())
    return sum(map(int, re.findall(r"^voluntary_ctxt_switches:\s+(\d+)", said, re.M)))


def report(pid: int, seconds: float) -> int:
    with subprocess.Popen([sys.executable, "-c", SLEEPER]) as sleeper:
        try:
            return measure(pid, seconds, idler=psutil.Process(sleeper.pid))
        finally:
            sleeper.kill()


def measure(pid: int, seconds: float, *, idler: psutil.Process) -> int:
    # It has begun.
    time.sleep(1)
    began_with = family(pid)
    before = {p.pid: (cpu_seconds(p), wakings(p)) for p in [*began_with, idler]}
    began = time.monotonic()
    time.sleep(seconds)
    processes = family(pid)
    is_changed = {p.pid for p in processes} != {p.pid for p in began_with}
    if is_changed or len(processes) < WHOLE_FAMILY:
        raise RuntimeError("a part is missing or was started anew: no measurement")
    took_s = time.monotonic() - began
    size, percent, woke = 0.0, 0.0, 0.0
    for process in processes:
        busy_s, times = passed(process, before)
        pss = pss_mib(process)
        print(
            f"{label(process):<12}{pss:7.1f} MiB {100 * busy_s / took_s:6.2f} %"
            f" {times / took_s:6.1f} wakings a second"
        )
        size, percent = size + pss, percent + 100 * busy_s / took_s
        woke += times / took_s
    print(f"{'whole':<12}{size:7.1f} MiB {percent:6.2f} % of one core {woke:4.1f}")
    print(f"{'bars':<12}{MAX_MIB:7.1f} MiB {MAX_PERCENT:6.2f} %")
    idled_s, times = passed(idler, before)
    cost_s = idled_s / times
    print(
        f"a waking that does nothing costs {1e6 * cost_s:.0f} microseconds here: "
        f"so many take {100 * woke * cost_s:.2f} %"
    )
    return int(size > MAX_MIB or percent > MAX_PERCENT)


def passed(
    process: psutil.Process, before: dict[int, tuple[float, int]]
) -> tuple[float, int]:
    """Return what a process worked since, in seconds, and how often it woke."""
    busy_s, times = before[process.pid]
    return cpu_seconds(process) - busy_s, wakings(process) - times


if __name__ == "__main__":
    raise SystemExit(main())
