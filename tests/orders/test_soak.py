"""A short run of `bench/soak.py`, in processes and a database of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="kills need SIGKILL and fork"),
]


def soak(*arguments: str) -> tuple[int, str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TEST_")}
    done = subprocess.run(
        [
            *(sys.executable, "bench/soak.py", *arguments),
            *("--database-url", os.environ.get("TEST_DATABASE_URL", "")),
        ],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout


def number_of(table: str, words: str) -> int:
    found = re.search(rf"^{re.escape(words)} +(\d+)", table, re.MULTILINE)
    assert found, table
    return int(found[1])


def test_each_order_is_bought_exactly_once_under_fire():
    code, table = soak("--orders", "30", "--seed", "7", "--short")
    assert code == 0, table
    assert number_of(table, "orders made by buyers") >= 30
    assert number_of(table, "orders with exactly one live supplier order") >= 15
    assert number_of(table, "workers killed") >= 3
    assert number_of(table, "tokens or phones in them") == 0


def test_observing_under_fire_writes_nothing_to_either_side():
    code, table = soak("--orders", "12", "--seed", "7", "--short", "--observe-only")
    assert code == 0, table
    assert number_of(table, "orders made by buyers") >= 12
    assert number_of(table, "writes that reached a peer") == 0
