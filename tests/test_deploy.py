"""The units of deploy/: a narrow cage, limits, no right to the bridge's own code."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REQUIRE_ALL

pytestmark = pytest.mark.once
FOLDER = Path(__file__).resolve().parents[1] / "deploy/systemd"
# What the bridge's own account runs; updates are root's.
UNITS = sorted(set(FOLDER.iterdir()) - set(FOLDER.glob("*-update.*")))
WORST = 2.0


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_the_cage_is_narrow(unit):
    program = shutil.which("systemd-analyze")
    if program is None:
        (pytest.fail if REQUIRE_ALL else pytest.skip)("systemd-analyze is not there")
    command = [program, "security", "--offline=true", "--no-pager", str(unit)]
    told = subprocess.run(command, capture_output=True, text=True).stdout
    score = re.findall(r"Overall exposure level for \S+: ([\d.]+)", told)
    assert score, told
    assert float(score[0]) <= WORST, told


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_failing_start_ends_memory_is_limited_and_the_code_is_not_its_own(unit):
    lines = unit.read_text("utf-8").splitlines()
    told = dict(line.split("=", 1) for line in lines if re.match(r"\w+=", line))
    assert int(told["StartLimitBurst"]) > 1
    # Five starts five seconds apart, however long each takes, must fall into it.
    assert int(told["StartLimitIntervalSec"]) >= 600
    assert told["MemoryMax"] == "2G"
    # One worker that takes too much does not end the whole bridge.
    assert told["OOMPolicy"] == "continue"
    assert told["UMask"] == "0077"
    assert told["ProtectSystem"] == "strict"
    written = set(told["ReadWritePaths"].split())
    data = {"/opt/kaspi-bridge/var", "-/srv/kaspi-feed"}
    data |= {"-/opt/kaspi-bridge-backups", "-/var/lib/kaspi-bridge"}
    # What an update is at, not what it brings.
    assert data <= written <= {*data, "/opt/kaspi-bridge/releases/state"}
    assert told["User"] == "bridge"
