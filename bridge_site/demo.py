"""Prepares the demo: staff, a point of sale, a first catalogue and price list."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.db import transaction

from bridge_site.checks import LOOPBACK
from bridge_site.roles import ROLES, set_staff
from catalog.models import Category, Product
from feeds.models import Store
from plumbing import epoch
from plumbing.leases import LEASE_S, is_taken
from plumbing.models import Lease

STORE_ID = "PP1"
# The demo sells two of three branches, so that the third shows what is left out.
SOLD_OF_THREE = 2

Say = Callable[[str], None]


class NotADemo(Exception):
    """A peer is not on this computer: nothing of this may touch real ones."""


def prepare_demo(*, staff_password: str, say: Say) -> None:
    """Bring an empty or an earlier demo's database to a published price list."""
    refuse_real_peers()
    epoch.begin()
    call_command("sync_roles")
    call_command("sync_schedules")
    for role in ROLES:
        set_staff(role, role=role, password=staff_password)
    Store.objects.get_or_create(store_id=STORE_ID, defaults={"name": "Алматы"})
    wait_for_leases(say=say)
    if not Product.objects.exists():
        say("Читаю каталог… · Reading the catalogue…")
        call_command("sync_catalog")
    if publish_branches():
        say("Выбраны категории для продажи · Categories chosen")
    call_command("sync_stock")
    call_command("build_feed")


def refuse_real_peers() -> None:
    """Raise `NotADemo` unless both peers are on this computer."""
    for name in ("ALSTYLE_URL", "KASPI_URL"):
        if urlsplit(getattr(settings, name)).hostname not in LOOPBACK:
            raise NotADemo(f"{name} is not on this computer; start run.py demo instead")


def wait_for_leases(*, say: Say) -> None:
    """Wait until the leases that a killed demo had taken run out."""
    names = list(Lease.objects.values_list("name", flat=True))
    until = time.monotonic() + LEASE_S
    if any(map(is_taken, names)):
        say("Жду, пока закончится прошлый запуск… · Waiting for the last demo's end…")
    while any(map(is_taken, names)) and time.monotonic() < until:
        time.sleep(0.5)


@transaction.atomic
def publish_branches() -> int:
    """Sell two of every three top branches, unless staff chose already."""
    if Category.objects.filter(is_published=True).exists():
        return 0
    published = 0
    tops = Category.objects.filter(parent=None, gone_at=None).order_by("left")
    for number, top in enumerate(tops):
        if number % 3 < SOLD_OF_THREE:
            branch = Category.objects.filter(left__gte=top.left, right__lte=top.right)
            published += branch.update(is_published=True)
    return published
