"""A short run of `bench/hosts.py`: whole hosts on one PostgreSQL, struck in turn."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.postgresql]
RUN = ("--scale", "60", "--hosts", "2", "--orders", "14", "--blows", "suspended,cut")


@pytest.mark.skipif(os.name == "nt", reason="nobody can be suspended as a whole")
def test_struck_hosts_buy_nothing_twice_and_give_out_one_list():
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TEST_")}
    done = subprocess.run(
        [
            *(sys.executable, "bench/hosts.py", *RUN, "--suspended-s", "8"),
            *("--database-url", os.environ["TEST_DATABASE_URL"]),
        ],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("seconds until") == 3
