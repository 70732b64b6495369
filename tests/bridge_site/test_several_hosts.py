"""Two hosts with folders of their own on one PostgreSQL, of which one is killed."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from django.utils import timezone

from catalog.models import Product
from feeds.models import FeedBuild
from plumbing.hosts import WORKERS
from plumbing.models import Heartbeat, HostPart, Lease
from plumbing.queue import enqueue
from tests.bridge_site.test_processes import RunningBridge, wait_for
from tests.feeds.making import make_import, make_products, make_store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.postgresql,
    pytest.mark.django_db(transaction=True),
]
BUILD = "feeds.tasks.build_feed"
LOOP = "dispatch-alstyle"


def given_out(host: RunningBridge) -> bytes:
    with urllib.request.urlopen(
        f"{host.url()}kaspi_price_list.xml", timeout=20
    ) as file:
        return bytes(file.read())


@pytest.fixture
def host(bridge_env, tmp_path) -> Iterator[Callable[..., RunningBridge]]:
    with ExitStack() as running:

        def start(name: str, **settings: str) -> RunningBridge:
            folder = str(tmp_path / name)
            environment = bridge_env(HOST_NAME=name, VAR_DIR=folder, **settings)
            started = RunningBridge(environment)
            running.callback(started.close)
            return started

        yield start


def test_the_list_and_the_work_outlive_the_host_that_had_them(host, tmp_path):
    make_store()
    make_import()
    make_products(30, price_override_kzt=7990)
    north = host("north", HOST_ROLES="workers")
    enqueue(BUILD, cluster="imports")
    wait_for(FeedBuild.objects.filter(status="active").exists, timeout_s=60)
    wait_for(Heartbeat.objects.filter(name=LOOP).exists, timeout_s=60)
    assert Heartbeat.objects.get(name=LOOP).host == "north"

    south = host("south")
    live = "feed/kaspi_price_list.xml"
    wait_for((tmp_path / "south" / live).exists, timeout_s=60)
    first = given_out(south)
    assert first.count(b'stockCount="10"') == 30
    assert first == (tmp_path / "north" / live).read_bytes()
    wait_for(
        lambda: HostPart.objects.filter(host="south", part__in=WORKERS).count() == 3,
        timeout_s=60,
    )

    for process in north.tree():
        process.kill()
    # As time does, within two minutes.
    Lease.objects.filter(owner__startswith="north:").update(until=timezone.now())
    Product.objects.update(stock=3)
    enqueue(BUILD, cluster="imports")
    second = wait_for(
        lambda: (found := given_out(south)) != first and found, timeout_s=60
    )
    assert second.count(b'stockCount="3"') == 30
    wait_for(Heartbeat.objects.filter(name=LOOP, host="south").exists, timeout_s=60)
    assert (tmp_path / "north" / live).read_bytes() == first
