"""A part that is wanted no longer finishes its calls to the peers; others go on."""

from __future__ import annotations

import json

import pytest

from bridge_site.control import CONTROL
from orders.models import Purchase, Step
from tests.bridge_site.test_adjusting_processes import buyable
from tests.bridge_site.test_processes import RunningBridge, wait_for
from tests.orders.factories import make_order, product_of

pytestmark = [pytest.mark.slow, pytest.mark.once]
# Longer than a part that is stopped gets.
ANSWERED_AFTER_S = 8


@pytest.mark.django_db(transaction=True)
def test_dispatch_ends_after_the_purchase_under_way(bridge_env, alstyle, tmp_path):
    (tmp_path / "wanted").write_text("dispatch")
    product = product_of(alstyle, buyable(alstyle))
    order = make_order((product, 1))
    step = Step.objects.get(order=order, kind=Step.Kind.RESERVE)
    alstyle.faults.add(
        "stall", "writes", times=1, seconds=ANSWERED_AFTER_S, answer=True
    )
    environment = bridge_env(**{CONTROL: str(tmp_path)}, SUPERVISE_FIRST_PURCHASE="0")
    bridge = RunningBridge(environment)
    try:
        buying = Step.objects.filter(pk=step.pk, status=Step.Status.IN_FLIGHT)
        wait_for(lambda: buying.exists() and Purchase.objects.exists(), timeout_s=60)
        (tmp_path / "wanted").write_text("")
        running = tmp_path / "running.json"
        wait_for(
            lambda: json.loads(running.read_text())["parts"]["dispatch"]["pid"] == 0,
            timeout_s=60,
        )
        step.refresh_from_db()
        assert step.status == Step.Status.DONE
        assert len(alstyle.orders.orders) == 1
        assert bridge.process.poll() is None
    finally:
        bridge.close()
