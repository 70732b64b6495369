"""Files that others on the computer could read are told, with what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from django.conf import settings as live
from django.core.checks import run_checks

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes"),
]


@pytest.fixture
def home(settings, monkeypatch):
    """Make a folder that anybody can enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="bridge-modes-"))
    folder.chmod(0o755)
    for name in ("var", "feed", "elsewhere"):
        (folder / name).mkdir(mode=0o700)
    monkeypatch.setenv("ENV_FILE", str(folder / ".env"))
    settings.VAR_DIR = folder / "var"
    settings.FEED_DIR = folder / "feed"
    config = {
        **live.DATABASES["default"],
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": folder / "elsewhere" / "bridge.sqlite3",
    }
    monkeypatch.setitem(live.DATABASES, "default", config)
    for name in (".env", "elsewhere/bridge.sqlite3", "var/bridge.log"):
        (folder / name).write_text("secret")
        (folder / name).chmod(0o644)
    (folder / ".env").chmod(0o600)
    yield folder
    shutil.rmtree(folder)


def told():
    return [m for m in run_checks(tags=["bridge"]) if m.id in W]


W = ("bridge.W009", "bridge.W010")


def test_what_stands_in_a_closed_folder_is_not_told(home):
    assert told() == []


def test_each_kind_of_file_that_others_can_read_is_told(home):
    cases = {
        ".env": [".env"],
        "elsewhere": ["elsewhere/bridge.sqlite3"],
        "var": ["var/bridge.log"],
    }
    for name, files in cases.items():
        path = home / name
        before = path.stat().st_mode
        path.chmod(0o755 if path.is_dir() else 0o604)
        (warning,) = told()
        assert warning.id == "bridge.W009"
        assert all(str(home / file) in warning.msg for file in files)
        # What it says helps.
        for command in warning.hint.partition(": ")[2].split("; "):
            subprocess.run(command.split(), check=True)
        assert told() == []
        path.chmod(before)


def test_the_folder_of_the_list_is_for_the_web_server_only(home):
    (home / "feed").chmod(0o755)
    (warning,) = told()
    assert warning.id == "bridge.W010"
    (home / "feed").chmod(0o2750)
    assert told() == []


def test_a_file_that_holds_a_secret_is_told(home, monkeypatch):
    token = home / "token"
    token.write_text("t")
    token.chmod(0o640)
    monkeypatch.setenv("KASPI_TOKEN_FILE", str(token))
    assert told() == []
    token.chmod(0o644)
    (warning,) = told()
    assert str(token) in warning.msg


def test_what_the_bridge_writes_is_for_its_own_user(home):
    var = home / "new"
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "bridge_site", "0001", "-v", "0"],
        cwd=live.BASE_DIR,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "bridge_site.settings",
            "ENV_FILE": os.devnull,
            "SECRET_KEY": os.urandom(40).hex(),
            "VAR_DIR": str(var),
            "DATABASE_URL": "",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert var.stat().st_mode & 0o777 == 0o700
    files = [path for path in var.rglob("*") if path.is_file()]
    assert var / "bridge.sqlite3" in files
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
