"""The bridge's settings, with the waits of its order machine made short.

Timeouts and intervals come from the environment. What is a constant of the code is
shrunk by `shorten_waits`, in proportion: a claim outlives a call, and an order is
taken to be absent only when a call that made it is long over.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bridge_site.settings import *  # noqa: F403

ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
STORAGES["staticfiles"] = {  # noqa: F405
    "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
}
LOGGING["root"]["handlers"] = ["console"]  # type: ignore[index]  # noqa: F405


def shorten_waits() -> None:
    """Shrink the waits of this process; call after `django.setup()`."""
    from orders import tasks
    from orders.plan import claims
    from orders.steps import kaspi, machine, reserve
    from orders.supply import settling
    from plumbing import leases

    short: dict[Any, dict[str, float]] = {
        claims: {"CLAIM_S": 8},
        leases: {"LEASE_S": 5, "RENEW_EVERY_S": 1},
        machine: {
            "BACKOFF_S": 0.5,
            "LONGEST_BACKOFF_S": 4,
            "LOOK_AFTER_S": 0.5,
            "REFUSED_ACCESS_AFTER_S": 2,
        },
        reserve: {
            "CART_BUSY_AFTER_S": 0.3,
            "CART_OCCUPIED_AFTER_S": 1.5,
            "UNSETTLED_AFTER_S": 1,
        },
        settling: {"LOOK_AGAIN_AFTER_S": 1.5},
        kaspi: {"LOOK_AGAIN_AFTER_S": 1.5},
        tasks: {"ROUND_S": 3},
    }
    for module, values in short.items():
        for name, value in values.items():
            _replace(module, name, value)
    for name, seconds in (
        ("SUBMIT_IS_OVER", 6),
        ("LISTED_BY", 15),
        ("AGE_LIMIT", 40),
        ("SKEW", 60),
    ):
        _replace(settling, name, timedelta(seconds=seconds))
    defaults = leases.take_lease.__kwdefaults__
    if defaults is not None:
        defaults["seconds"] = leases.LEASE_S


def _replace(module: Any, name: str, value: Any) -> None:
    if not hasattr(module, name):
        raise AttributeError(f"{module.__name__} has no {name} to be shortened")
    setattr(module, name, value)
