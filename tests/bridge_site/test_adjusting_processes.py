"""A change of settings reaches every process of a running bridge, without a restart."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as live
from django.contrib.auth.models import User
from django.utils import timezone
from django_q.models import Task

from bridge_site.adjusting.saving import save_settings
from orders.models import Order, Step
from plumbing.queue import enqueue
from sandbox import AlStyleServer, KaspiServer
from tests.bridge_site.test_processes import RunningBridge, wait_for
from tests.orders.factories import ensure_price_rule, product_of
from tests.staff import log_in

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
Start = Callable[..., RunningBridge]


@pytest.fixture
def running(
    bridge_env: Callable[..., dict[str, str]],
    alstyle: AlStyleServer,
    kaspi: KaspiServer,
) -> Iterator[RunningBridge]:
    # Static files are not collected for the tests: with DEBUG they need not be.
    bridge = RunningBridge(
        bridge_env(SUPERVISE_FIRST_PURCHASE="0", DEBUG="1", ALLOW_UNSAFE="DEBUG")
    )
    wait_for(bridge.answers, timeout_s=180)
    yield bridge
    bridge.close()


def change(**raws: str | None) -> None:
    save_settings(raws, by=User.objects.get(username="owner"))


def test_web_dispatchers_and_both_clusters_follow(running, alstyle, kaspi, settings):
    session = log_in(settings, "owner").cookies[live.SESSION_COOKIE_NAME].value

    def web_shows_a_banner() -> bool:
        request = urllib.request.Request(running.url() + "admin/")
        request.add_header("Cookie", f"{live.SESSION_COOKIE_NAME}={session}")
        with urllib.request.urlopen(request, timeout=20) as answer:
            return 'class="banner"' in answer.read().decode()

    assert not web_shows_a_banner()
    change(OBSERVE_ONLY="1")
    wait_for(web_shows_a_banner, timeout_s=180)

    # The dispatchers: what comes up after the change is withheld.
    product = product_of(alstyle, buyable(alstyle))
    # It pays, as far as is known: else a person would be asked first.
    ensure_price_rule()
    kaspi.new_order([{"sku": product.sku, "price": 90_000.0}])
    enqueue("orders.tasks.poll_orders", cluster="orders")
    order = wait_for(Order.objects.first, timeout_s=180)
    step = Step.objects.get(order=order, kind=Step.Kind.RESERVE)
    later = timezone.now() + timedelta(minutes=30)
    withheld = Step.objects.filter(pk=step.pk, status=Step.Status.PENDING, attempts=0)
    wait_for(withheld.filter(not_before__gt=later).exists, timeout_s=180)
    assert alstyle.orders.orders == {}

    # The clusters.
    change(AUTO_RESERVE="0", FAILED_TASKS_KEPT_DAYS="0")
    kaspi.new_order([{"sku": product.sku}])
    enqueue("orders.tasks.poll_orders", cluster="orders")
    new = wait_for(lambda: Order.objects.exclude(pk=order.pk).first(), timeout_s=180)
    assert not Step.objects.filter(order=new, kind=Step.Kind.RESERVE).exists()
    result: Any = tidied()
    assert result == "kept for ever"

    change(OBSERVE_ONLY=None, FAILED_TASKS_KEPT_DAYS=None)
    wait_for(lambda: not web_shows_a_banner(), timeout_s=180)

    def is_reserved() -> bool:
        # A dispatcher that has not yet heard of the change puts the step off once more.
        waiting = Step.objects.filter(pk=step.pk, status=Step.Status.PENDING)
        waiting.update(not_before=timezone.now())
        return Step.objects.get(pk=step.pk).status == Step.Status.DONE

    wait_for(is_reserved, timeout_s=180)
    assert len(alstyle.orders.orders) == 1
    assert tidied() != "kept for ever"


def tidied() -> Any:
    """Have the cluster of the imports do a task; returns what it said."""
    known = set(Task.objects.values_list("pk", flat=True))
    enqueue("plumbing.tasks.delete_old_tasks", cluster="imports")
    ours = Task.objects.filter(func="plumbing.tasks.delete_old_tasks")
    return wait_for(lambda: ours.exclude(pk__in=known).first(), timeout_s=180).result


def buyable(alstyle: AlStyleServer) -> int:
    """Name an article of which there is plenty, sold piece by piece."""
    return next(
        article
        for article, good in alstyle.goods.items()
        if good.available > 20
        and not good.expected_weeks
        and good.price1 > 1
        and not good.multiplicity
    )
