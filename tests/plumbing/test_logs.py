"""The log: one line an event, whole whatever happens, with neither secret nor buyer."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orders.clients import Clients
from orders.steps.machine import process_due
from plumbing import tracing
from plumbing.logfile import PartFileHandler
from plumbing.logs import JsonFormatter, LineFormatter
from tests.orders.factories import ensure_price_rule, product_of

ROOT = Path(__file__).resolve().parents[2]
BUYERS = (
    'not JSON: {"attributes": {"firstName": "Айгуль", "cellPhone": "7011234567", '
    '"formattedAddress": "Алматы, Абая 5, кв. 7", "lastName": "Сери'
)
PERSONAL = ("Айгуль", "7011234567", "Абая", "Сери", "701 123")
WRITER = """
import logging, sys
from plumbing.logfile import PartFileHandler
handler = PartFileHandler(sys.argv[1], most_bytes=int(sys.argv[3]), kept=500)
log = logging.getLogger("x")
log.addHandler(handler)
for number in range(int(sys.argv[4])):
    log.warning("%s %d %s", sys.argv[2], number, "x" * 60)
"""


def record(text: str, *args, error: BaseException | None = None) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("orders", logging.ERROR, "f", 1, text, args, info)


def caught(text: str) -> BaseException:
    with pytest.raises(ValueError, match="literal") as seen:
        int(text)
    return seen.value


@pytest.mark.parametrize("formatter", [LineFormatter(), JsonFormatter()])
def test_an_event_is_one_line_without_secrets_and_buyers(formatter):
    error = caught(f"?access-token=alstyle-test-token\n{BUYERS}")
    line = formatter.format(
        record("+7 (701) 123-45-67\nsecond line %s", BUYERS, error=error)
    )
    assert "\n" not in line
    for hidden in (*PERSONAL, "alstyle-test-token", "123-45-67"):
        assert hidden not in line
    assert "ValueError" in line
    assert "second line" in line


def test_the_ids_of_what_is_done_stand_on_each_line():
    with tracing.traced(request="abcd1234"), tracing.traced(step="7", order="7001"):
        line = LineFormatter().format(record("sent"))
        told = json.loads(JsonFormatter().format(record("sent")))
        assert tracing.trace() == "request=abcd1234"
    assert line.endswith("ERROR orders: sent [request=abcd1234 step=7 order=7001]")
    assert (told["request"], told["step"], told["order"]) == ("abcd1234", "7", "7001")
    assert told["message"] == "sent"
    assert "[" not in LineFormatter().format(record("sent")).partition("orders")[2]


def test_a_task_bears_its_own_id_and_not_the_last_ones():
    with tracing.traced(request="r" * 8):
        tracing.begin_task(task={"id": "f" * 32, "group": "poll-orders", "func": "x"})
        assert tracing.ids() == {"task": "f" * 16, "job": "poll-orders"}


def lines_in(folder: Path) -> list[str]:
    files = [f for f in folder.iterdir() if f.suffix != ".lock"]
    return [line for f in files for line in f.read_text("utf-8").splitlines()]


def test_processes_that_share_a_file_lose_no_line_when_it_is_moved_aside(tmp_path):
    writers, count = 4, 400
    arguments = [str(tmp_path / "orders.log"), "5000", str(count)]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, arguments[0], f"w{n}", *arguments[1:]],
            cwd=ROOT,
        )
        for n in range(writers)
    ]
    assert [each.wait(120) for each in running] == [0] * writers
    told = sorted(lines_in(tmp_path))
    assert told == sorted(
        f"w{n} {number} {'x' * 60}" for n in range(writers) for number in range(count)
    )
    assert len(list(tmp_path.iterdir())) > 5


def test_only_so_many_old_files_are_kept(tmp_path):
    handler = PartFileHandler(str(tmp_path / "web.log"), most_bytes=200, kept=2)
    for number in range(30):
        handler.handle(record("%d %s", number, "x" * 90))
    handler.close()
    names = {f.name for f in tmp_path.iterdir()}
    assert names == {"web.log", "web.log.1", "web.log.2", "web.log.lock"}
    assert (tmp_path / "web.log").read_text().splitlines()[-1].startswith("29 ")


@pytest.mark.skipif(os.name == "nt", reason="Windows stops no process like this")
def test_a_stopped_process_that_holds_the_lock_stops_nobody(tmp_path):
    hold = (
        "import sys, time; from pathlib import Path\n"
        "from plumbing.logfile import _locked\n"
        "with _locked(Path(sys.argv[1])) as ours:\n"
        "    print(ours, flush=True); time.sleep(60)"
    )
    lock = tmp_path / "web.log.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(lock)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"
    holder.send_signal(signal.SIGSTOP)
    handler = PartFileHandler(str(tmp_path / "web.log"), most_bytes=100, kept=2)
    try:
        for number in range(5):
            handler.handle(record("%d %s", number, "x" * 60))
        assert len((tmp_path / "web.log").read_text().splitlines()) == 5
    finally:
        holder.kill()
        holder.communicate()
    # Its lock went with it.
    handler.handle(record("5"))
    handler.close()
    assert (tmp_path / "web.log").read_text() == "5\n"


def test_a_full_disk_loses_lines_and_nothing_else(small_disk, capsys):
    path = small_disk / "log" / "web.log"
    handler = PartFileHandler(str(path), most_bytes=10**9, kept=2)
    handler.handle(record("before"))
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="space"):
        while True:
            file.write(b"x" * 65536)
    for number in range(2000):
        handler.handle(record("lost %d %s", number, "x" * 900))
    filler.unlink()
    handler.handle(record("after"))
    handler.close()
    told = path.read_text().splitlines()
    assert told[0] == "before"
    assert told[-1] == "after"
    assert capsys.readouterr().err.count("cannot be written") == 1


@contextmanager
def logged_to(path: Path) -> Iterator[None]:
    handler = PartFileHandler(str(path), most_bytes=10**9, kept=0)
    handler.setFormatter(LineFormatter())
    calls = logging.getLogger("plumbing.calls")
    calls.addHandler(handler)
    try:
        yield
    finally:
        calls.removeHandler(handler)
        handler.close()


def test_a_whole_reading_writes_down_no_buyer_and_no_token(
    kaspi, alstyle, bridge_env, settings, tmp_path
):
    good = next(g for g in alstyle.goods.values() if g.available > 9 < g.price1)
    ensure_price_rule()
    sku = product_of(alstyle, good.article).sku
    lines = [{"sku": sku, "price": 2 * good.price1}]
    made = [kaspi.new_order(lines) for _ in range(3)]
    environment = bridge_env(LOG_LEVEL="DEBUG", PEER_BACKOFF_S="0", AUTO_ACCEPT="1")

    def manage(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr

    said = []
    for fault in ("truncate", "wrong_types", "html"):
        kaspi.faults.add(fault, times=2)
        said.append(manage("poll_orders"))
        kaspi.faults.clear()
    said.append(manage("poll_orders"))
    path = tmp_path / "var" / "log" / "commands.log"
    with logged_to(path), Clients() as clients:
        process_due(clients, budget_s=30)
    files = sorted(f.name for f in (tmp_path / "var" / "log").glob("*.log"))
    assert files == ["commands.log"]
    text = path.read_text("utf-8")
    assert re.search(r"plumbing\.calls: Kaspi, GET v2/orders: ok in", text)
    assert re.search(r"plumbing\.calls: .*\[step=\d+ order=\d+\]", text)
    everything = text + "".join(said)
    for order in made:
        buyer = order.buyer
        for hidden in (buyer.phone, buyer.last_name, buyer.first_name):
            assert hidden not in everything
    for token in (settings.KASPI_TOKEN, settings.ALSTYLE_TOKEN, settings.SECRET_KEY):
        assert token not in everything
