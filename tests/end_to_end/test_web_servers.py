"""nginx and Apache with the files of deploy/: the list comes whatever is behind."""

from __future__ import annotations

import base64
import gzip
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import pytest

from bench.attacks.connections import (
    Held,
    Site,
    begin_reading,
    begin_request,
    post_much,
)
from bench.web_servers import HOST, Ground, WebServer, free_ports, missing_programs
from tests.bridge_site.test_processes import wait_for
from tests.conftest import REQUIRE_ALL
from tests.header_rules import faults_of

pytestmark = [pytest.mark.slow, pytest.mark.once]
LIST, NAME = "/kaspi_price_list.xml", "kaspi_price_list.xml"
LOGIN = "Basic " + base64.b64encode(b"kaspi:of-the-list").decode()
CONTENT = b"<kaspi_catalog>" + b"<offer sku='1'>\n" * 1_000_000 + b"</kaspi_catalog>"
ROOT = Path(__file__).resolve().parents[2]


class Behind:
    """The bridge's web part, with a database of its own."""

    def __init__(self, ground: Ground) -> None:
        self.port = free_ports(1)[0]
        self.database = ground.path / "var" / "bridge.sqlite3"
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "bridge_site.settings",
            "ENV_FILE": os.devnull,
            "VAR_DIR": str(self.database.parent),
            "DATABASE_URL": f"sqlite:///{self.database}",
            "FEED_DIR": str(ground.feed),
            "FEED_USER": "kaspi",
            "FEED_PASSWORD": "of-the-list",
            # Static files are not collected for the tests: with DEBUG they need not be.
            "DEBUG": "1",
            "ALLOW_UNSAFE": "DEBUG",
            "HTTPS_ONLY": "1",
            "SECRET_KEY": "tests-only-" + os.urandom(30).hex(),
            "ALLOWED_HOSTS": HOST,
            "CSRF_TRUSTED_ORIGINS": f"https://{HOST}",
            "LISTEN": f"127.0.0.1:{self.port}",
            "ALSTYLE_TOKEN": "t",
            "KASPI_TOKEN": "t",
            "KASPI_MERCHANT_ID": "M",
            "KASPI_COMPANY": "M",
        }
        self.password = ""
        self.process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        for command in ("migrate", "create_staff olga --role owner"):
            done = subprocess.run(
                [sys.executable, "manage.py", *command.split()],
                cwd=ROOT,
                env=self.environment,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr
        self.password = done.stdout.split()[-1]

    def start(self) -> None:
        command = [sys.executable, "manage.py", "bridge_part", "web"]
        self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment)
        wait_for(self._answers, timeout_s=60)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def fetches(self) -> list[tuple[str, int, int]]:
        """Read the journal: whose, its answer, how often."""
        asked = "SELECT address, status_code, sum(times) FROM feeds_feedfetch"
        journal = sqlite3.connect(self.database)
        try:
            return journal.execute(f"{asked} GROUP BY 1, 2").fetchall()
        finally:
            journal.close()


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    if missing := missing_programs():
        (pytest.fail if REQUIRE_ALL else pytest.skip)(f"install {', '.join(missing)}")
    made = Ground(path=Path(tempfile.mkdtemp(prefix="bridge-servers-")))
    made.make()
    (made.feed / NAME).write_bytes(CONTENT)
    (made.feed / f"{NAME}.gz").write_bytes(gzip.compress(CONTENT, 1, mtime=0))
    for file in made.feed.iterdir():
        os.utime(file, (1_700_000_000, 1_700_000_000))
        file.chmod(0o640)
    yield made
    shutil.rmtree(made.path)


@pytest.fixture(scope="module")
def behind(ground) -> Iterator[Behind]:
    bridge = Behind(ground)
    bridge.prepare()
    bridge.start()
    yield bridge
    bridge.signal(signal.SIGCONT)
    bridge.end()


@pytest.fixture(scope="module")
def servers(ground, behind) -> Iterator[dict[str, WebServer]]:
    made = {
        name: WebServer(name=name, ground=ground, behind=behind.port)
        for name in ("nginx", "apache")
    }
    try:
        for server in made.values():
            server.start()
        yield made
    finally:
        for server in made.values():
            server.stop()


@pytest.fixture(params=["nginx", "apache"])
def server(request, servers):
    return servers[request.param]


def assert_gives_the_list(server, *, is_kept=False):
    """Ask in every way in which Kaspi or a person may."""
    # What Apache gives out in place of an error it gives whole.
    known_is = (200, CONTENT) if is_kept and server.name == "apache" else (304, b"")
    for scheme in ("http", "https"):
        answer, body = server.ask(LIST, scheme=scheme, Authorization=LOGIN)
        assert (answer.status, body == CONTENT) == (200, True), server.told()
        assert answer.headers["Content-Type"] == "application/xml; charset=utf-8"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        known = {"If_Modified_Since": answer.headers["Last-Modified"]}
        answer, body = server.ask(LIST, scheme=scheme, Authorization=LOGIN, **known)
        assert ((answer.status, body) == known_is) is True
        known = {"If_None_Match": answer.headers["ETag"]}
        answer, body = server.ask(LIST, scheme=scheme, Authorization=LOGIN, **known)
        assert ((answer.status, body) == known_is) is True
        answer, body = server.ask(
            LIST, scheme=scheme, Authorization=LOGIN, Accept_Encoding="gzip"
        )
        assert answer.headers["Content-Encoding"] == "gzip"
        assert "Accept-Encoding" in answer.headers["Vary"]
        assert gzip.decompress(body) == CONTENT
        answer, body = server.ask(
            LIST, method="HEAD", scheme=scheme, Authorization=LOGIN
        )
        assert (answer.status, body) == (200, b"")
        assert answer.headers["Content-Length"] == str(len(CONTENT))
        for wrong in ({}, {"Authorization": LOGIN[:-4] + "xxx="}):
            answer, body = server.ask(LIST, scheme=scheme, **wrong)
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Basic")
            assert b"offer" not in body
    assert not is_kept or server.ask(LIST, method="POST", body="x")[0].status in (
        401,
        405,
    )


def test_the_list_is_given_on_both_ports_and_each_fetch_journalled(server, behind):
    assert_gives_the_list(server)
    caller = {"nginx": "127.0.0.11", "apache": "127.0.0.12"}[server.name]
    # What the caller says of himself counts for nothing.
    server.ask(LIST, caller=caller, Authorization=LOGIN, X_Forwarded_For="8.8.8.8")
    wait_for(lambda: (caller, 200, 1) in behind.fetches(), timeout_s=10)


def test_staff_log_in_by_https_and_only_so(server, behind):
    answer, _body = server.ask("/admin/login/", scheme="http")
    assert answer.status == 301
    assert answer.headers["Location"] == f"https://{HOST}/admin/login/"
    answer, body = server.ask("/admin/login/")
    assert answer.status == 200
    token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', body.decode())[0]
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    form = urlencode(
        {
            "csrfmiddlewaretoken": token,
            "username": "olga",
            "password": behind.password,
            "next": "/admin/",
        }
    )
    answer, body = server.ask(
        "/admin/login/",
        method="POST",
        body=form,
        Cookie=cookie,
        Referer=f"https://{HOST}/admin/login/",
        Content_Type="application/x-www-form-urlencoded",
    )
    assert (answer.status, answer.headers["Location"]) == (302, "/admin/"), body
    cookies = str(answer.headers.get_all("Set-Cookie"))
    session = re.findall(r"sessionid=\w+", cookies)[0]
    # What is temporary must be changed first.
    answer, body = server.ask("/admin/password_change/", Cookie=session)
    assert answer.status == 200
    assert b"olga" in body


def test_what_comes_through_them_pleases_the_scanner(server):
    for url in ("/admin/login/", "/readyz", "/static/bridge/fault.css"):
        answer, body = server.ask(url)
        assert body
        answer.cookies = {}
        assert list(faults_of(answer, is_https=True)) == [], url


def test_nothing_else_of_the_feeds_folder_is_given_out(server, ground):
    (ground.feed / "versions").mkdir(exist_ok=True)
    (ground.feed / "versions" / "1.xml.gz").write_bytes(b"an older one")
    for name in ("login.htpasswd", "versions/1.xml.gz", ""):
        for folder in ("/", "/kept-list/", "/kaspi-feed/", "/static/../kept-list/"):
            answer, body = server.ask(f"{folder}{name}", Authorization=LOGIN)
            assert answer.status in (302, 400, 403, 404), (folder, name)
            assert b"$2y$" not in body and b"older" not in body


def test_passwords_are_tried_a_few_times_a_minute(server):
    tried = [
        server.ask("/admin/login/", method="POST", body="x", caller="127.0.0.21")
        for _try in range(24)
    ]
    statuses = [answer.status for answer, _body in tried]
    assert statuses[0] == 403
    assert 429 in statuses
    # Pages, and other people's passwords, are not held up.
    assert server.ask("/admin/login/", caller="127.0.0.21")[0].status == 200
    answer, _body = server.ask("/admin/login/", method="POST", caller="127.0.0.22")
    assert answer.status == 403


def test_half_open_requests_slow_readers_and_large_bodies_do_not_stop_it(server):
    site = Site(server.http, login=LOGIN)
    half_open, slow = Held(site, begin_request, 150), Held(site, begin_reading, 6)
    with half_open, slow:
        wait_for(lambda: half_open.begun >= 150 and slow.begun >= 6, timeout_s=20)
        with ThreadPoolExecutor(1) as pool:
            another = Site(server.http, login=LOGIN, caller="127.0.0.67")
            refused = pool.submit(post_much, another)
            for _fetch in range(5):
                began = time.monotonic()
                answer, body = server.ask(LIST, Authorization=LOGIN)
                assert (answer.status, body == CONTENT) == (200, True)
                assert time.monotonic() - began < 5
            said, _sent = refused.result(20)
        if server.name == "apache":
            # By address: who is cut off begins anew. nginx lets go after ten seconds.
            wait_for(lambda: half_open.begun > 200, timeout_s=20)
        assert b" 413 " in said
        # Read, if at all, to be thrown away.
        kept = (f.stat().st_size for f in server.run.rglob("*") if f.is_file())
        assert sum(kept) < 40_000_000


def test_ten_seconds_of_load_bring_no_error(servers, capsys):
    def load(server):
        command = ["ab", "-q", "-t", "10", "-n", "1000000", "-c", "4"]
        command += ["-H", "Accept-Encoding: gzip"]
        for header in (f"Host: {HOST}", f"Authorization: {LOGIN}"):
            command += ["-H", header]
        done = subprocess.run(
            [*command, f"http://127.0.0.1:{server.http}{LIST}"],
            capture_output=True,
            text=True,
        )
        return done.stdout + done.stderr

    with ThreadPoolExecutor(2) as pool:
        told = dict(zip(servers, pool.map(load, servers.values()), strict=True))
    for name, text in told.items():
        assert re.search(r"Failed requests:\s+0\n", text), text
        assert "Non-2xx" not in text, text
        figures = re.findall(r"(?:Requests per second|  50%|  99%)[^\n]*", text)
        with capsys.disabled():
            print(f"\n{name}, both at once: {'; '.join(figures)}")


def test_while_the_bridge_hangs_or_is_gone_the_last_list_is_given(servers, behind):
    def fetch(server):
        began = time.monotonic()
        answer, body = server.ask(LIST, Authorization=LOGIN)
        return answer.status, body == CONTENT, time.monotonic() - began

    behind.signal(signal.SIGSTOP)
    with ThreadPoolExecutor(2) as pool:
        hung = list(pool.map(fetch, servers.values()))
    assert [took[:2] for took in hung] == [(200, True)] * 2, hung
    assert max(took[2] for took in hung) < 10
    behind.signal(signal.SIGCONT)
    behind.end()
    for server in servers.values():
        assert_gives_the_list(server, is_kept=True)
        # Pages cannot be had, and say so.
        assert server.ask("/admin/login/")[0].status in (502, 503)
    behind.start()
    known = behind.fetches()
    for server in servers.values():
        assert server.ask(LIST, Authorization=LOGIN)[0].status == 200
    wait_for(lambda: behind.fetches() != known, timeout_s=10)
