"""How long `run.py serve` takes to an admin that answers, the database being there.

    python bench/start.py [--rounds 5]

Against the sandbox, on SQLite or a database that DATABASE_URL names; the requirements
are installed already. The median of several starts is told.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.embedded import ROOT, await_site, manage, settings_of
from launch.ports import free_port
from sandbox import AlStyleServer, KaspiServer

BAR_S = 3.0


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    rounds = options.parse_args().rounds
    with (
        TemporaryDirectory() as folder,
        AlStyleServer(interval_s=0) as supplier,
        KaspiServer() as kaspi,
    ):
        site = f"127.0.0.1:{free_port()}"
        environment = {
            **os.environ,
            **settings_of(folder, site, supplier, kaspi),
            "BRIDGE_VENV": sys.prefix,
        }
        manage("migrate", "-v0", environment=environment)
        # The first start collects the pages' files.
        first, *others = [start(site, environment) for _round in range(rounds + 1)]
    took = statistics.median(others)
    print(f"first start {first:.2f} s; later ones, median {took:.2f} s (bar {BAR_S:g})")
    print("each: " + ", ".join(f"{each:.2f}" for each in others))
    return int(took > BAR_S)


def start(site: str, environment: dict[str, str]) -> float:
    """Start it, wait for the page on which one signs in, stop it."""
    began = time.perf_counter()
    serving = subprocess.Popen(
        [sys.executable, "run.py", "serve"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        await_site(f"http://{site}/admin/login/")
        return time.perf_counter() - began
    finally:
        serving.terminate()
        serving.wait(20)


if __name__ == "__main__":
    raise SystemExit(main())
