"""Code that is root's, data that are not: what root starts leaves no file of root's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bench.updating.published import ROOT
from launch.environment import child_environment
from tests.conftest import REQUIRE_ALL

pytestmark = pytest.mark.once
# In the place of Python, which may stand where only root reads.
TELLING = """\
#!/bin/sh
echo "$(id -u) $2"
: > "var/$2"
"""


@pytest.fixture
def home():
    if sys.platform == "win32" or os.geteuid() != 0:
        (pytest.fail if REQUIRE_ALL else pytest.skip)("needs to be root")
    # Not pytest's own folder, which only root may enter.
    home = Path(tempfile.mkdtemp(prefix="bridge-accounts-"))
    home.chmod(0o755)
    shutil.copytree(ROOT / "launch", home / "launch")
    for name in ("run.py", ".env.example", "requirements.txt"):
        shutil.copy(ROOT / name, home / name)
    (home / "venv/bin").mkdir(parents=True)
    (home / "venv/bin/python").write_text(TELLING)
    (home / "venv/bin/python").chmod(0o755)
    for folder in ("var", "releases/state"):
        (home / folder).mkdir(parents=True)
        shutil.chown(home / folder, "nobody")
    yield home
    shutil.rmtree(home)


def run(home, *arguments):
    return subprocess.run(
        [sys.executable, "run.py", *arguments],
        cwd=home,
        env={**child_environment(), "BRIDGE_VENV": str(home / "venv")},
        capture_output=True,
        text=True,
    )


def test_root_commands_the_bridge_as_the_owner_of_its_data_and_does_not_serve(home):
    nobody = (home / "var").stat().st_uid
    assert run(home, "manage", "doctor").stdout == f"{nobody} doctor\n"
    assert (home / "var/doctor").stat().st_uid == nobody
    # Of the code's folder, which is root's.
    assert run(home, "manage", "collectstatic").stdout == "0 collectstatic\n"
    refused = run(home, "serve")
    assert refused.returncode == 1
    assert "systemctl start kaspi-bridge" in refused.stderr
    # All of it is root's: nobody else is meant.
    shutil.chown(home / "releases/state", "root")
    assert run(home, "manage", "check").stdout == "0 check\n"
