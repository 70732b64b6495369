"""Idle load of the whole embedded bridge: web, both clusters and their supervisor.

    .venv/bin/python bench/idle.py [--seconds 60]

Starts the bridge on a fresh SQLite database against the sandbox, with the demo's goods
on sale, opens the admin's pages, lets every scheduled task run once, then measures.
Memory is the sum of PSS: each shared page counts once, divided among its users.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import requests

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from launch.ports import free_port
from sandbox import AlStyleServer, KaspiServer

ROOT = Path(__file__).resolve().parent.parent
MAX_MIB, MAX_PERCENT = 300, 3
# The clusters look at their schedules every 30 s; then the first tasks need a moment.
WARM_UP_S = 50
# Supervisor, web, dispatch; per cluster the sentinel, pusher, worker and monitor.
WHOLE_FAMILY = 11
PAGES = (
    *("", "catalog/product/", "catalog/category/", "feeds/feedbuild/"),
    *("orders/order/", "auth/user/"),
)
PASSWORD = "bench-password"


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=60)
    seconds = options.parse_args().seconds
    with (
        TemporaryDirectory() as folder,
        AlStyleServer(interval_s=0) as supplier,
        KaspiServer() as kaspi,
    ):
        site, environment = f"127.0.0.1:{free_port()}", dict(os.environ)
        environment.update(settings(folder, site, supplier, kaspi))
        for step in (("migrate", "-v0"), ("collectstatic", "--noinput", "-v0")):
            manage(*step, environment=environment)
        manage("prepare_demo", environment=environment)
        command = [sys.executable, "manage.py", "bridge", "--exit-with-parent"]
        bridge = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE
        )
        try:
            began = time.monotonic()
            await_site(f"http://{site}/admin/login/")
            open_pages(f"http://{site}")
            time.sleep(max(0.0, WARM_UP_S - (time.monotonic() - began)))
            return report(bridge.pid, seconds)
        finally:
            bridge.communicate(timeout=15)


def settings(
    folder: str, site: str, supplier: AlStyleServer, kaspi: KaspiServer
) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "bridge_site.settings",
        "ENV_FILE": os.devnull,
        "SECRET_KEY": "bench-only-" + "k" * 50,
        "HTTPS_ONLY": "0",
        "LISTEN": site,
        "VAR_DIR": folder,
        "DATABASE_URL": f"sqlite:///{(Path(folder) / 'bridge.sqlite3').as_posix()}",
        "ALSTYLE_URL": supplier.url,
        "ALSTYLE_TOKEN": supplier.token,
        "ALSTYLE_INTERVAL_S": "0.1",
        "KASPI_URL": kaspi.url,
        "KASPI_TOKEN": kaspi.token,
        "KASPI_MERCHANT_ID": "QazDemo",
        "KASPI_COMPANY": "Qaz Demo",
        "LOG_LEVEL": "WARNING",
        "DEMO_STAFF_PASSWORD": PASSWORD,
    }


def manage(*arguments: str, environment: dict[str, str]) -> None:
    command = [sys.executable, "manage.py", *arguments]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


def await_site(url: str) -> None:
    for _attempt in range(300):
        try:
            requests.get(url, timeout=5)
        except requests.ConnectionError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(url)


def open_pages(site: str) -> None:
    """Log in and look at the admin as staff do, so that its code is loaded."""
    with requests.Session() as browser:
        login = f"{site}/admin/login/"
        browser.get(login, timeout=10)
        token = browser.cookies["csrftoken"]
        form = {"username": "owner", "password": PASSWORD, "next": "/admin/"}
        form["csrfmiddlewaretoken"] = token
        browser.post(login, data=form, timeout=10).raise_for_status()
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
