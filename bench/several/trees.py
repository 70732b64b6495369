"""A host of its own: the bridge's whole tree of processes, folder and cable."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import requests

from bench.several.cable import Cable
from launch.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
TREE = "BENCH_HOST"
LOOK_EVERY_S = 1.0
# Parts go on this long before their supervisor does: as it may be in life.
PARTS_FIRST_S = 5.0


class Tree:
    """A host's processes, which can be killed, suspended and cut off together."""

    def __init__(
        self, name: str, environment: Mapping[str, str], folder: Path, cable: Cable
    ) -> None:
        self.name, self.cable = name, cable
        self.listen = f"127.0.0.1:{free_port()}"
        self.log = folder.with_name(f"{name}.log")
        self._environment = {
            **environment,
            TREE: name,
            "HOST_NAME": name,
            "LISTEN": self.listen,
            "VAR_DIR": str(folder),
            "DATABASE_URL": cable.url,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.is_expected_to_answer = False
        self.struck_at = 0.0

    def was_struck_since(self, moment_s: float) -> bool:
        """Tell whether it was killed or suspended since."""
        return self.struck_at >= moment_s

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "manage.py", "bridge", "--exit-with-parent"],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )

    def await_site(self, timeout_s: float = 120) -> None:
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            with contextlib.suppress(requests.RequestException):
                if _get(f"http://{self.listen}/healthz").ok:
                    self.is_expected_to_answer = True
                    return
            time.sleep(0.3)
        raise SystemExit(f"{self.name} did not start: {self.log}")

    def kill(self) -> None:
        self.is_expected_to_answer, self.struck_at = False, time.monotonic()
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()

    def suspend(self) -> None:
        self.is_expected_to_answer, self.struck_at = False, time.monotonic()
        # Parents first: none shall miss a child.
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.suspend()

    def resume(self) -> None:
        children = self.processes()
        supervisor = self._process.pid if self._process else 0
        for process in children:
            if process.pid != supervisor:
                with contextlib.suppress(psutil.Error):
                    process.resume()
        time.sleep(PARTS_FIRST_S)
        with contextlib.suppress(psutil.Error):
            psutil.Process(supervisor).resume()

    def stop(self) -> None:
        self.is_expected_to_answer, self.struck_at = False, time.monotonic()
        if self._process is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(15)
        self.kill()
        self._process.wait(10)

    def processes(self) -> list[psutil.Process]:
        """Give all of its living processes, orphans included, the oldest first."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                if process.pid != os.getpid() and (
                    process.environ().get(TREE) == self.name
                ):
                    found.append(process)
        return sorted(found, key=lambda process: process.create_time())

    def memory_bytes(self) -> int:
        total = 0
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                info = process.memory_full_info()
                total += int(getattr(info, "pss", info.rss))
        return total


class Readers:
    """Whoever fetches the list, from each host in turn: what it got, and when."""

    def __init__(self, trees: list[Tree]) -> None:
        self._trees = trees
        self._stop = threading.Event()
        self.fetches = 0
        self.failures: list[str] = []
        # When each host gave out each list for the first and for the last time.
        self.first: dict[str, dict[str, float]] = {}
        self.last: dict[str, dict[str, float]] = {}
        self.slowest_s = 0.0
        self._threads = [
            threading.Thread(target=self._read, args=[tree], daemon=True)
            for tree in trees
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def agree(self) -> bool:
        """Tell whether all living hosts gave out one and the same list last."""
        living = [tree.name for tree in self._trees if tree.is_expected_to_answer]
        return len({self._newest(name) for name in living}) == 1

    def _newest(self, name: str) -> str:
        seen = {tag: hosts.get(name, 0.0) for tag, hosts in list(self.last.items())}
        return max(seen, key=lambda tag: seen[tag], default="")

    def lag_s(self, tree_names: set[str]) -> float:
        """Say how long after the first of these hosts the last gave out a list."""
        lags = [0.0]
        for seen in self.first.values():
            moments = [at for name, at in seen.items() if name in tree_names]
            if len(moments) == len(tree_names):
                lags.append(max(moments) - min(moments))
        return max(lags)

    def _read(self, tree: Tree) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            if not tree.is_expected_to_answer:
                continue
            began = time.monotonic()
            try:
                answer = _get(f"http://{tree.listen}/kaspi_price_list.xml")
                said = answer.headers.get("ETag", "") if answer.ok else ""
            except requests.RequestException as error:
                said, answer = "", None
                words = type(error).__name__
            else:
                words = str(answer.status_code)
            if tree.was_struck_since(began):
                continue
            self.fetches += 1
            now = time.monotonic()
            self.slowest_s = max(self.slowest_s, now - began)
            if not said:
                self.failures.append(f"{tree.name}: {words}")
                continue
            self.first.setdefault(said, {}).setdefault(tree.name, now)
            self.last.setdefault(said, {})[tree.name] = now


def _get(url: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, timeout=10)
