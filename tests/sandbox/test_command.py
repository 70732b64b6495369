from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from sandbox import Control, wait_until

ROOT = Path(__file__).resolve().parents[2]


def test_both_peers_start_announce_themselves_and_end_with_their_parent(tmp_path, http):
    ports = tmp_path / "ports.json"
    command = [sys.executable, "-m", "sandbox", "--interval", "0", "--exit-with-parent"]
    with subprocess.Popen(
        [*command, "--ports-file", str(ports), "--alstyle-token", "t"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert wait_until(ports.exists, timeout_s=60)
        addresses = json.loads(ports.read_text(encoding="utf-8"))
        url = f"{addresses['alstyle_url']}/api/date?access-token=t"
        assert http.get(url, timeout=5).status_code == 200
        assert http.get(addresses["kaspi_page_url"], timeout=5).status_code == 200
        assert addresses["kaspi_url"].endswith("/shop/api")
        control = Control(addresses["alstyle_control_url"])
        assert control.call("counters") == {"date": 1}
        kaspi = Control(addresses["kaspi_control_url"])
        order = kaspi.call("new-order", lines=[{"sku": "1"}], kind="pickup")
        assert kaspi.call("orders")[0]["id"] == order["id"]
        kaspi.call("happen", code=order["code"], event="buyer-cancel")
        assert kaspi.call("audit")["orders"] == 1
        assert kaspi.call("stock-watch") == {"lists": 0, "excesses": []}
        assert kaspi.call("crashes") == control.call("crashes") == []
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=10) == 0
