"""The bridge's settings, with the waits of its order machine made short.

Timeouts and intervals come from the environment. Constants of the code are divided by
SOAK_SCALE, as the sandbox's delays are: with 60, a minute of life is a second here.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from importlib import import_module

from bridge_site.settings import *  # noqa: F403

ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
STORAGES["staticfiles"] = {  # noqa: F405
    "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
}
LOGGING["root"]["handlers"] = ["console"]  # noqa: F405


# Constant → the least it may be here, in seconds: calls and a loaded machine do not
# get quicker. What compares the supplier's clock with ours (SKEW) stays as it is: dates
# are written in the time of this world.
SCALED = {
    "orders.plan.claims.CLAIM_S": 8,
    "plumbing.leases.LEASE_S": 5,
    "plumbing.leases.RENEW_EVERY_S": 1,
    "orders.steps.machine.BACKOFF_S": 0,
    "orders.steps.machine.LONGEST_BACKOFF_S": 0,
    "orders.steps.machine.LOOK_AFTER_S": 0,
    "orders.steps.machine.REFUSED_ACCESS_AFTER_S": 0,
    "orders.steps.machine.PAGE_AFTER_S": 0,
    "orders.steps.reserve.CART_BUSY_AFTER_S": 0.2,
    "orders.steps.reserve.CART_OCCUPIED_AFTER_S": 0,
    "orders.steps.kaspi.LOOK_AGAIN_AFTER_S": 0,
    "orders.tasks.ROUND_S": 3,
    "orders.steps.reserve.UNSETTLED_AFTER_S": 0,
    "orders.supply.purchasing.CHECK_IS_FRESH": 0,
    "orders.supply.settling.SUBMIT_IS_OVER": 0,
    "orders.supply.settling.LISTED_BY": 0,
    "orders.supply.settling.AGE_LIMIT": 0,
    "orders.supply.settling.LOOK_AGAIN_AFTER_S": 0,
    "orders.supply.settling.SEEK_AGAIN_AFTER_S": 0,
    "orders.plan.planning.STOCK_FALLS_WITHIN": 0,
    "orders.processing.FOLLOWED_AT_LEAST_EVERY": 0,
    "orders.reconciling.rounds.FORGOTTEN_AFTER": 5,
    "orders.reconciling.waiting.TOLD_BY": 5,
}
OURS = ("catalog.", "feeds.", "orders.", "plumbing.")
# How long what may wait, by its status.
AGES = ("STEP_AGES", "RESERVATION_AGES", "PURCHASE_AGES")


def shorten_waits() -> None:
    """Shrink the waits of this process; call after `django.setup()`."""
    scale = float(os.environ["SOAK_SCALE"])
    for dotted, least_s in SCALED.items():
        _shorten(dotted, scale=scale, least_s=least_s)
    ages = import_module("orders.plan.ages")
    for name in AGES:
        limits = getattr(ages, name)
        # Changed in place: others have imported it.
        limits.update({status: limit / scale for status, limit in limits.items()})
    # Defaults were bound before.
    leases = import_module("plumbing.leases")
    leases.take_lease.__kwdefaults__["seconds"] = leases.LEASE_S
    settling = import_module("orders.supply.settling")
    defaults = settling.Settlement.__init__.__kwdefaults__
    defaults["look_after_s"] = settling.LOOK_AGAIN_AFTER_S


def trust_lists() -> None:
    """Make the bridge believe that what is not listed was not bought; the judge's test.

    Only where purchases are: the code before them believes so by itself.
    """
    reserve = import_module("orders.steps.reserve")
    settling = import_module("orders.supply.settling")
    careful = reserve.settle

    def settle(purchase, cart, claim):
        found = careful(purchase, cart, claim)
        if found.what in ("wait", "person") and not found.candidates:
            return settling.Settlement(what="not_bought", text="It is not listed")
        return found

    vars(reserve)["settle"] = settle


def _shorten(dotted: str, *, scale: float, least_s: float) -> None:
    path, name = dotted.rsplit(".", 1)
    module = import_module(path)
    if not hasattr(module, name):
        raise AttributeError(f"{path} has no {name} to be shortened")
    value = getattr(module, name)
    if isinstance(value, timedelta):
        shorter = max(value / scale, timedelta(seconds=least_s))
    else:
        shorter = max(value / scale, least_s)
    # Whoever imported it has a name of its own for it.
    for other in list(sys.modules.values()):
        if vars(other).get(name) is value and other.__name__.startswith(OURS):
            setattr(other, name, shorter)
