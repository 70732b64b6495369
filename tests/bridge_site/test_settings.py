from __future__ import annotations

import ast
import logging
import re
import sqlite3
import subprocess
import sys
from datetime import time
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path

import pytest
from django.conf import global_settings
from django.conf import settings as live
from django.core.checks import run_checks
from django.db import connection

from bridge_site.adjustable import ADJUSTABLE, FIXED, GROUPS, OBSERVING, UNSHOWN
from bridge_site.env import SettingsReader
from orders.checks import PARSERS
from plumbing.logs import LineFormatter
from plumbing.redaction import redact

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ROOT / "bridge_site" / "settings.py"
PACKAGES = (
    *("plumbing", "backoffice", "alerts", "catalog", "orders", "feeds"),
    "bridge_site",
)
# Asked for by Django and other libraries, which have no default of that name.
OF_LIBRARIES = {"Q_CLUSTER", "ROOT_URLCONF", "CONTENT_SECURITY_POLICY"} | {
    "WHITENOISE_ALLOW_ALL_ORIGINS"
}


@pytest.fixture
def read(monkeypatch):
    def make(**environment: str) -> SettingsReader:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        reader = SettingsReader()
        reader.env.ENVIRON.files_cache.clear()
        return reader

    return make


def test_values_are_read_as_their_kind(read):
    reader = read(A="7", B="yes", C="0.5", D="https://x.kz/api/", E="a, b,", F=" t ")
    assert reader.integer("A", 1) == 7
    assert reader.flag("B", default=False) is True
    assert reader.number("C", "5") == Decimal("0.5")
    assert reader.url("D", schemes=["https"]) == "https://x.kz/api"
    assert reader.names("E") == ["a", "b"]
    assert reader.text("F") == "t"
    assert reader.problems == []


def test_networks_and_parts_of_addresses_are_read(read):
    reader = read(A="203.0.113.9, 10.0.0.0/8", B="-", C="/back//door/", D="a b", E="/")
    assert reader.networks("A") == (ip_network("203.0.113.9"), ip_network("10.0.0.0/8"))
    assert reader.networks("B", "::1") == ()
    assert reader.networks("NOTHING", "::1") == (ip_network("::1"),)
    assert reader.path("C", "admin") == "back/door"
    assert reader.path("D", "admin") == reader.path("E", "admin") == "admin"
    assert [p.name for p in reader.problems] == ["D", "E"]


def test_hours_and_addresses_are_read(read):
    reader = read(
        A="5, 60",
        B="22-8",
        C="-",
        D="7:05",
        E="tgram://bot:x/1,2 mailtos://u:p@h?to=a@h,b@h, tgram://bot:x/1,2",
    )
    assert reader.integers("A", [1]) == [5, 60]
    assert reader.integers("NOTHING", [1]) == [1]
    assert reader.hours("B", (1, 2)) == (22, 8)
    assert reader.hours("C", (1, 2)) is None
    assert reader.clock("D", time(9)) == time(7, 5)
    assert reader.clock("C", time(9)) is None
    first, second = reader.addresses("E")
    assert (first, second) == ("tgram://bot:x/1,2", "mailtos://u:p@h?to=a@h,b@h")
    assert reader.problems == []


def test_hours_and_addresses_that_cannot_be_read_are_told_without_secrets(read):
    reader = read(A="5,x", B="8-8", C="25:00", D="https://ok/1 my-secret-token")
    assert reader.integers("A", [1]) == [1]
    assert reader.hours("B", (1, 2)) == (1, 2)
    assert reader.clock("C", time(9)) == time(9)
    assert reader.addresses("D") == []
    assert "my-secret" not in str(reader.problems)
    assert [p.name for p in reader.problems] == list("ABCD")


def test_every_bad_value_is_remembered_and_the_default_stands(read):
    reader = read(
        A="x", B="maybe", C="-1", D="ftp://x", E="1.2.3/40", F="mysql://u:secret@h/d"
    )
    assert reader.integer("A", 1) == 1
    assert reader.flag("B", default=True) is True
    assert reader.number("C", "5") == 5
    assert reader.url("D", "https://y", schemes=["https"]) == "https://y"
    assert reader.networks("E") == ()
    assert reader.database("F", "sqlite:///x")["ENGINE"].endswith("sqlite3")
    assert [p.name for p in reader.problems] == list("ABCDEF")
    assert "secret" not in str(reader.problems)


def test_a_secret_may_stand_in_a_file_and_hold_any_character(read, tmp_path):
    secret = tmp_path / "token"
    secret.write_text("$ab#c=1'\n", encoding="utf-8")
    reader = read(TOKEN_FILE=str(secret), P="$HOME")
    assert reader.text("TOKEN") == "$ab#c=1'"
    assert reader.text("P") == "$HOME"


def test_a_secret_file_that_cannot_be_read_is_named(read, tmp_path):
    reader = read(TOKEN_FILE=str(tmp_path / "nothing"))
    assert reader.text("TOKEN") == ""
    assert [p.name for p in reader.problems] == ["TOKEN"]


def test_env_file_yields_to_the_environment(read, tmp_path):
    file = tmp_path / ".env"
    file.write_text("﻿NEW_IN_FILE=1\nA=2\n", encoding="utf-8")
    reader = read(A="1")
    reader.read_file(file)
    assert (reader.text("A"), reader.text("NEW_IN_FILE")) == ("1", "1")


def check_ids(**values: object) -> list[str | None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setattr(live, name, value)
        return [m.id for m in run_checks(tags=["bridge"])]


@pytest.mark.parametrize(
    ("values", "check_id"),
    [
        ({"ALSTYLE_TOKEN": ""}, "bridge.E002"),
        ({"KASPI_MERCHANT_ID": ""}, "bridge.E002"),
        ({"FEED_USER": "kaspi"}, "bridge.E003"),
        ({"ALSTYLE_URL": "https://api.al-style.kz"}, "bridge.E004"),
        ({"KASPI_URL": "http://kaspi.kz/shop/api"}, "bridge.E005"),
        ({"SECRET_KEY": "a"}, "bridge.E006"),
        ({"SECRET_KEY": "a" * 80}, "bridge.E006"),
        ({"DEBUG": True}, "bridge.E006"),
        ({"ALLOWED_HOSTS": ["*"]}, "bridge.E006"),
        ({"FEED_USER": "kaspi", "FEED_PASSWORD": "x"}, "bridge.E006"),
        ({"LISTEN": "0.0.0.0:8000"}, "bridge.E007"),
        ({"TRUSTED_PROXIES": [ip_network("0.0.0.0/0")]}, "bridge.E008"),
    ],
)
def test_each_mistake_has_its_check(values, check_id):
    assert check_ids() == []
    assert check_ids(**values) == [check_id]


def test_an_old_sqlite_is_refused_where_it_is_used(monkeypatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 31, 1))
    used = connection.vendor == "sqlite"
    assert check_ids() == (["bridge.E014"] if used else [])


def test_what_is_dangerous_must_be_wanted_by_name_and_on_this_computer():
    wanted = {"DEBUG": True, "ALLOW_UNSAFE": ["DEBUG"]}
    assert check_ids(**wanted) == []
    assert check_ids(**wanted, LISTEN="[::1]:80") == []
    everywhere = {"LISTEN": "0.0.0.0:8000", "ALLOW_UNSAFE": ["DEBUG", "LISTEN"]}
    assert check_ids(**everywhere) == []
    assert check_ids(DEBUG=True, **everywhere) == ["bridge.E006"]


def test_a_start_without_settings_lists_everything_at_once(tmp_path):
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=live.BASE_DIR,
        env={
            "PATH": "",
            "ENV_FILE": str(tmp_path / "none"),
            "VAR_DIR": str(tmp_path),
            "ALSTYLE_INTERVAL_S": "soon",
            "SYSTEMROOT": "",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    for name in ("SECRET_KEY", "ALSTYLE_TOKEN", "KASPI_TOKEN", "ALSTYLE_INTERVAL_S"):
        assert name in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "GET /api/x?access-token=alstyle-test-token&a=1",
        "GET /api/x?access-token=some-older-token",
        "X-Auth-Token: kaspi-test-token",
        "{'X-Auth-Token': 'another-token'}",
        "postgres://bridge:pa55word@db/bridge",
    ],
)
def test_secrets_are_masked_wherever_they_stand(text):
    masked = redact(text)
    assert "***" in masked
    for secret in ("alstyle-test-token", "older", "kaspi-test", "another", "pa55"):
        assert secret not in masked


@pytest.mark.parametrize(
    "text", ["http://127.0.0.1:8000/admin/orders", "12:30 at 10:45, a@b.kz", "x: y"]
)
def test_what_is_no_secret_stays(text):
    assert redact(text) == text


def test_a_logged_traceback_is_masked():
    error = RuntimeError("https://api/x?access-token=alstyle-test-token")
    info = (RuntimeError, error, None)
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "failed", (), info)
    line = LineFormatter().format(record)
    assert "alstyle-test-token" not in line
    assert "RuntimeError" in line


def names_in_the_code() -> set[str]:
    """Find what is read as `settings.NAME`, or named by a schedule for its minutes."""
    files = [f for name in PACKAGES for f in (ROOT / name).rglob("*.py")]
    code = "\n".join(file.read_text("utf-8") for file in files)
    pattern = r"\bsettings\.([A-Z_]+)\b|\bminutes_setting=\"([A-Z_]+)\""
    return {name for pair in re.findall(pattern, code) for name in pair}


def read_from_environment() -> set[str]:
    calls = re.findall(r"read\.\w+\(\s*\"([A-Z_]+)\"", SETTINGS.read_text("utf-8"))
    assert len(calls) > 50
    return set(calls)


def documented(file: str) -> set[str]:
    """Read the first column of the table of settings."""
    rows = (ROOT / file).read_text("utf-8").splitlines()
    names = [row.split("|")[1] for row in rows if row.startswith("| `")]
    return {n for cell in names for n in re.findall(r"`([A-Z_]{5,})`", cell)}


def test_every_setting_is_read_by_somebody():
    tree = ast.parse(SETTINGS.read_text("utf-8"))
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    own = {n.id for n in names if isinstance(n.ctx, ast.Store) and n.id.isupper()}
    used = {n.id for n in names if isinstance(n.ctx, ast.Load)} | OF_LIBRARIES
    own -= used | names_in_the_code()
    theirs = {name for name in own if name.startswith(("AXES_", "OTP_"))}
    assert {n for n in own - theirs if not hasattr(global_settings, n)} == set()


@pytest.mark.parametrize("file", ["README.md", "README.ru.md"])
def test_every_setting_is_documented_and_nothing_else(file):
    assert documented(file) == read_from_environment()


def test_the_example_names_every_setting():
    text = (ROOT / ".env.example").read_text("utf-8")
    names = re.findall(r"^(?:# )?([A-Z_]+)=", text, re.MULTILINE)
    assert sorted(names) == sorted(read_from_environment())


def test_each_setting_may_be_changed_or_is_fixed_for_a_reason():
    fixed = {name for names in FIXED.values() for name in names}
    adjustable = {*ADJUSTABLE, OBSERVING.name}
    declared = set(live.SETTING_DECLARATIONS)
    assert declared - fixed - adjustable == set(), (
        "say in bridge_site/adjustable.py what the owner may change, in GROUPS, "
        "or why not, in FIXED"
    )
    assert (fixed | adjustable) - declared == set()
    assert not fixed & adjustable
    assert fixed >= UNSHOWN
    assert set(PARSERS) <= adjustable
    assert len(ADJUSTABLE) == sum(len(group.settings) for group in GROUPS)
