"""`run.py audit`: a known hole fails, a silent index is told."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from launch.audit import (
    ALLOWED,
    NOT_AUDITED,
    Audit,
    ask_services,
    conclude,
    parse_answer,
    read_allowances,
)
from launch.console import CannotGoOn

pytestmark = pytest.mark.once
ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = Path(sys.executable).parent / "pip-audit"
TODAY = date(2027, 1, 15)
HOLE = {
    "id": "GHSA-1111-2222-3333",
    "aliases": ["CVE-2027-0001"],
    "summary": "opens every door",
    "affected": [
        {
            "package": {"name": "sqlparse", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"fixed": "9.9"}]}],
        }
    ],
}


@pytest.fixture
def requirements(tmp_path):
    file = tmp_path / "requirements.txt"
    sums = "--hash=sha256:" + "0" * 64
    file.write_text(f"sqlparse==0.5.0 {sums}\nasgiref==3.8.1 {sums}\n")
    return file


@pytest.fixture
def index() -> Iterator[str]:
    """An index of vulnerabilities on loopback that knows of one, in sqlparse."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            is_holed = asked["package"]["name"] == "sqlparse"
            body = json.dumps({"vulns": [HOLE]} if is_holed else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()


def told(capsys):
    said = capsys.readouterr()
    return said.out + said.err


def judged(allowed: str, index: str, requirements: Path) -> int:
    found, failures = ask_services(
        PROGRAM, requirements, services={"here": ("-s", "osv", "--osv-url", index)}
    )
    assert (found.judged, found.skipped) == (2, [])
    return conclude(found, failures, read_allowances(allowed), today=TODAY)


def test_a_known_hole_fails_until_it_is_allowed_for_a_while(
    index, requirements, capsys
):
    for allowed, status, words in (
        ("", 1, "KNOWN HOLE: sqlparse 0.5.0: CVE-2027-0001 = GHSA-1111-2222-3333, me"),
        ("CVE-2027-0001 2027-01-15 not called", 0, "allowed until 2027-01-15"),
        ("CVE-2027-0001 2027-01-14 not called", 1, "(allowed until 2027-01-14 only)"),
        ("CVE-2020-0001 2027-02-01 other", 1, "CVE-2020-0001 is needed no longer"),
    ):
        assert judged(allowed, index, requirements) == status
        assert words in told(capsys)


def test_an_index_out_of_reach_is_told_loudly(requirements, capsys):
    nowhere = {"here": ("-s", "osv", "--osv-url", "http://127.0.0.1:9/", "--timeout=2")}
    found, failures = ask_services(PROGRAM, requirements, services=nowhere)
    assert conclude(found, failures, [], today=TODAY) == NOT_AUDITED
    said = told(capsys)
    assert "!!! NOT AUDITED" in said
    assert "here: " in said


def program(tmp_path: Path, answer: object, *, status: int = 0) -> Path:
    """A pip-audit that answers so; its status is as little to be relied on."""
    file = tmp_path / "pip-audit"
    file.write_text(
        f"#!{sys.executable}\nprint({json.dumps(answer)!r})\nraise SystemExit({status})"
    )
    file.chmod(0o755)
    return file


def skipped(*names: str) -> list[dict[str, object]]:
    return [{"name": n, "skip_reason": "Dependency not found on PyPI"} for n in names]


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a script")
def test_a_status_of_0_means_nothing_where_everything_was_skipped(
    tmp_path, requirements, capsys
):
    stand_in = program(tmp_path, {"dependencies": skipped("sqlparse", "asgiref")})
    found, failures = ask_services(stand_in, requirements)
    assert conclude(found, failures, [], today=TODAY) == NOT_AUDITED
    assert "nobody could be asked about them: all packages" in told(capsys)


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a script")
def test_a_hole_counts_though_others_could_not_be_judged(
    tmp_path, requirements, capsys
):
    holed = {"name": "sqlparse", "version": "0.5.0", "vulns": [{"id": "PYSEC-1"}]}
    stand_in = program(tmp_path, {"dependencies": [holed, *skipped("asgiref")]})
    found, failures = ask_services(stand_in, requirements)
    assert conclude(found, failures, [], today=TODAY) == 1
    said = told(capsys)
    assert "KNOWN HOLE: sqlparse 0.5.0: PYSEC-1" in said
    assert "nobody could be asked about them: asgiref" in said


@pytest.mark.parametrize("answer", [{}, {"dependencies": [{}]}, [], "?"])
def test_an_answer_that_is_none_is_no_clean_bill(tmp_path, requirements, answer):
    if sys.platform == "win32":
        pytest.skip("the stand-in is a script")
    found, failures = ask_services(program(tmp_path, answer), requirements)
    assert conclude(found, failures, [], today=TODAY) == NOT_AUDITED


def test_nothing_to_tell_is_well():
    clean = {"name": "sqlparse", "version": "0.5.0", "vulns": []}
    assert conclude(parse_answer({"dependencies": [clean]}), [], [], today=TODAY) == 0
    assert conclude(Audit(), [], [], today=TODAY) == NOT_AUDITED


@pytest.mark.parametrize("line", ["CVE-1", "CVE-1 soon because", "CVE-1 2027-01-31"])
def test_an_allowance_needs_a_day_and_a_reason(line):
    with pytest.raises(CannotGoOn, match="a day like"):
        read_allowances(line)


def test_the_kept_list_can_be_read():
    read_allowances(ALLOWED.read_text("utf-8"))


def test_each_rule_of_security_that_is_set_aside_says_why():
    apps = [p for p in ROOT.iterdir() if (p / "__init__.py").exists()]
    files = [
        f for app in apps for f in app.rglob("*.py") if "migrations" not in f.parts
    ]
    bare = [
        f"{file.relative_to(ROOT)}:{number}"
        for file in [*files, ROOT / "run.py"]
        if file.relative_to(ROOT).parts[0] != "tests"
        for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1)
        if re.search(r"# noqa: S\d", line)
        and not re.search(r"# noqa: S\d+(, \w+)* +[-(] ?\w", line)
    ]
    assert bare == []
