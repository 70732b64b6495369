from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from bridge_site.alive import Life
from bridge_site.forking import command_of
from bridge_site.management.commands.bridge import WRONG_SETTINGS
from bridge_site.processes import (
    PARTS,
    Supervisor,
    end_marked,
    parse_address,
    part_environment,
    part_wishes,
    settle_address,
)
from launch import running as launched
from plumbing.models import Heartbeat
from plumbing.queue import Cluster, enqueue

ROOT = Path(__file__).resolve().parent.parent.parent
TREE = "BRIDGE_TEST_TREE"
CLUSTERS: tuple[Cluster, ...] = ("orders", "imports")


def wait_for(claim: Callable[[], Any], *, timeout_s: float) -> Any:
    until = time.monotonic() + timeout_s
    while not (found := claim()):
        assert time.monotonic() < until, "it did not come to pass in time"
        time.sleep(0.1)
    return found


class RunningBridge:
    """`manage.py bridge` in a process of its own, with all it says."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.mark = uuid.uuid4().hex
        self.said: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "bridge", "--exit-with-parent"],
            cwd=ROOT,
            env={**environment, TREE: self.mark},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.said.append(line)

    @property
    def text(self) -> str:
        return "".join(self.said)

    def url(self) -> str:
        wait_for(lambda: "listens at" in self.text, timeout_s=120)
        return self.text.split("listens at ")[1].split()[0]

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url() + "i18n/", timeout=5):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    def tree(self) -> list[psutil.Process]:
        """Every living process started by this bridge, orphans included."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                if process.environ().get(TREE) == self.mark:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def part(self, name: str) -> psutil.Process | None:
        """The part's process, or the one that forks them: "nursery"."""
        for process in self.tree():
            # Dead since it was listed, and not yet taken note of: none of its own.
            with suppress(psutil.NoSuchProcess):
                line = command_of(process)
                if "bridge_part" in line and name in line:
                    return process
        return None

    def close(self) -> None:
        for process in self.tree():
            process.kill()
        self.process.wait(10)
        self.reader.join(10)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def bridge(bridge_env) -> Iterator[Callable[..., RunningBridge]]:
    running: list[RunningBridge] = []

    def start(**overrides: str) -> RunningBridge:
        running.append(RunningBridge(bridge_env(**overrides)))
        return running[-1]

    yield start
    for each in running:
        each.close()


def run_a_task_on_each_cluster() -> None:
    for cluster in CLUSTERS:
        enqueue("plumbing.tasks.beat", cluster, cluster=cluster)
    # The dispatchers beat by themselves.
    wait_for(lambda: Heartbeat.objects.count() == 4, timeout_s=60)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_web_and_both_clusters_work_under_either_start_method(bridge, method):
    running = bridge(MP_START_METHOD=method)
    run_a_task_on_each_cluster()
    wait_for(running.answers, timeout_s=60)
    started = time.monotonic()
    running.process.stdin.close()
    running.process.wait(15)
    assert time.monotonic() - started < 10
    assert running.tree() == []
    assert running.process.returncode == 0, running.text


@pytest.mark.slow
@pytest.mark.once
def test_a_part_that_dies_is_started_again_where_it_was(bridge):
    running = bridge()
    wait_for(running.answers, timeout_s=60)
    running.part("web").kill()
    wait_for(lambda: "web ended with code" in running.text, timeout_s=60)
    wait_for(running.answers, timeout_s=60)
    before = wait_for(lambda: running.part("orders"), timeout_s=60)
    before.kill()
    wait_for(lambda: "orders ended with code -9" in running.text, timeout_s=60)
    wait_for(lambda: running.part("orders") not in (None, before), timeout_s=60)
    others = {name: running.part(name) for name in ("imports", "dispatch")}
    for process in others.values():
        process.kill()
    wait_for(
        lambda: all(running.part(n) not in (None, p) for n, p in others.items()),
        timeout_s=60,
    )
    # The dispatchers, whose leases outlive them by a minute and a half, have beaten.
    Heartbeat.objects.filter(name__in=CLUSTERS).delete()
    run_a_task_on_each_cluster()
    if (nursery := running.part("nursery")) is None:
        return
    # Its parts live on; what then ends is started as a program of its own.
    nursery.kill()
    orders = running.part("orders")
    running.part("imports").kill()
    wait_for(lambda: "programs of their own" in running.text, timeout_s=60)
    wait_for(lambda: running.part("imports"), timeout_s=60)
    assert running.part("orders") == orders
    Heartbeat.objects.filter(name="imports").delete()
    run_a_task_on_each_cluster()
    running.process.stdin.close()
    running.process.wait(15)
    assert running.tree() == []


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to catch")
def test_sigterm_stops_everything_within_ten_seconds(bridge):
    running = bridge()
    run_a_task_on_each_cluster()
    started = time.monotonic()
    running.process.send_signal(signal.SIGTERM)
    running.process.wait(15)
    assert time.monotonic() - started < 10
    assert running.tree() == []


@pytest.mark.slow
@pytest.mark.once
def test_a_supervisor_killed_hard_leaves_no_process_behind(bridge):
    running = bridge()
    run_a_task_on_each_cluster()
    assert len(running.tree()) > 4
    running.process.kill()
    wait_for(lambda: running.tree() == [], timeout_s=60)


@pytest.mark.once
def test_a_taken_port_is_said_before_anything_starts(bridge):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        running = bridge(LISTEN=f"127.0.0.1:{port}")
        assert running.process.wait(30) == 1
        running.reader.join(10)
    assert f"127.0.0.1:{port} cannot be listened at" in running.text
    assert "Traceback" not in running.text


@pytest.mark.once
def test_missing_settings_are_listed_and_nothing_starts(bridge):
    running = bridge(KASPI_TOKEN="", ALSTYLE_TOKEN="")
    assert running.process.wait(30) == WRONG_SETTINGS
    running.reader.join(10)
    assert "KASPI_TOKEN is not set" in running.text
    assert "ALSTYLE_TOKEN is not set" in running.text
    assert "listens at" not in running.text
    # run.py knows by it what to advise.
    assert launched.WRONG_SETTINGS == WRONG_SETTINGS


def test_a_cluster_part_refuses_another_clusters_queue(bridge_env):
    done = subprocess.run(
        [sys.executable, "manage.py", "bridge_part", "imports"],
        cwd=ROOT,
        env=bridge_env(Q_CLUSTER_NAME=""),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert "Q_CLUSTER_NAME=imports" in done.stderr


def test_address_is_read_and_its_port_settled():
    assert parse_address("127.0.0.1:8000") == ("127.0.0.1", 8000)
    assert parse_address("[::1]:80") == ("::1", 80)
    assert parse_address(":8000") == ("127.0.0.1", 8000)
    host, _, port = settle_address("127.0.0.1:0").rpartition(":")
    assert host == "127.0.0.1"
    assert int(port) > 0


@pytest.mark.parametrize("bad", ["", "8000", "127.0.0.1", "x:y", "127.0.0.1:70000"])
def test_a_bad_address_is_refused(bad):
    with pytest.raises(ValueError, match="host:port"):
        parse_address(bad)


def test_only_the_imports_part_names_its_queue(monkeypatch):
    monkeypatch.setenv("Q_CLUSTER_NAME", "imports")
    orders = part_wishes("orders", mark="m", listen="127.0.0.1:1")
    imports = part_wishes("imports", mark="m", listen="127.0.0.1:1")
    assert "Q_CLUSTER_NAME" not in {**part_environment(), **orders}
    assert imports["Q_CLUSTER_NAME"] == "imports"
    assert orders["LISTEN"] == "127.0.0.1:1"


@pytest.mark.skipif(os.name == "nt", reason="Windows stops no process like this")
def test_whatever_part_hangs_is_ended_and_started_again(bridge_env, monkeypatch):
    """SIGSTOP: it neither ends nor answers, as with a deadlock or no memory."""
    for name, value in bridge_env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("bridge_site.alive.ASKED_EVERY_S", 0.3)
    monkeypatch.setattr("bridge_site.alive.ANSWERS_WITHIN_S", 1.0)
    monkeypatch.setattr("bridge_site.alive.SILENT_FOR_S", 8.0)
    said: list[str] = []
    listen = settle_address("127.0.0.1:0")
    supervisor = Supervisor(listen=listen, say=said.append)
    thread = threading.Thread(target=supervisor.run)
    thread.start()

    def all_live() -> bool:
        return all(part.life and part.life.was_seen for part in supervisor._parts)

    try:
        parts = wait_for(lambda: supervisor._parts, timeout_s=60)
        wait_for(all_live, timeout_s=90)
        first = {part.name: part.process.pid for part in parts}
        for pid in first.values():
            os.kill(pid, signal.SIGSTOP)
        wait_for(
            lambda: "".join(said).count("no sign of life") == len(first), timeout_s=60
        )
        wait_for(lambda: all(p.process for p in parts), timeout_s=60)
        wait_for(all_live, timeout_s=90)
    finally:
        supervisor.stop.set()
        thread.join(20)
    assert set(first) == set(PARTS)
    assert not any(psutil.pid_exists(pid) for pid in first.values())


def test_a_pause_of_all_of_them_is_no_silence(tmp_path):
    """As `docker pause` makes it: the supervisor looks again before any part could."""
    file = tmp_path / "alive"
    file.touch()
    life = Life(part="orders", listen="", file=file)
    now = time.monotonic()
    assert life.silent_s(now=now) == 0
    long_ago = time.time() - 300
    os.utime(file, (long_ago, long_ago))
    assert life.silent_s(now=now + 300) == 0
    # Who does not go on then is silent after all.
    looks = [life.silent_s(now=now + 300 + passed) for passed in range(0, 60, 5)]
    assert looks[8] == 0 < looks[-1]


def test_the_service_manager_is_told_as_long_as_the_supervisor_turns(
    tmp_path, monkeypatch
):
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address)
        listening.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        supervisor = Supervisor(listen="127.0.0.1:1", say=lambda _text: None, parts=[])
        thread = threading.Thread(target=supervisor.run)
        thread.start()
        told = [listening.recv(100) for _word in range(3)]
        supervisor.stop.set()
        thread.join(10)
    assert told == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]


def test_a_part_that_keeps_dying_is_started_ever_more_rarely(monkeypatch):
    said: list[str] = []
    supervisor = Supervisor(listen="127.0.0.1:1", say=said.append, parts=["web"])
    monkeypatch.setattr("bridge_site.processes.WATCH_EVERY_S", 0.02)
    monkeypatch.setattr("bridge_site.processes.FIRST_BACKOFF_S", 0.01)
    monkeypatch.setattr("bridge_site.processes.MANAGE", Path("no-such-file.py"))
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    wait_for(lambda: len(said) >= 3, timeout_s=60)
    supervisor.stop.set()
    thread.join(10)
    waits = [float(line.split("again in ")[1].split(" ")[0]) for line in said[:3]]
    assert waits[1:] == [waits[0] * 2, waits[0] * 4]


def test_marked_processes_are_ended_even_without_a_parent():
    mark = uuid.uuid4().hex
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        env={**os.environ, "BRIDGE_PART_MARK": mark},
    )
    # Its environment is readable once the program has been loaded.
    wait_for(
        lambda: psutil.Process(child.pid).environ().get("BRIDGE_PART_MARK"),
        timeout_s=60,
    )
    end_marked(mark)
    assert child.wait(5) != 0
