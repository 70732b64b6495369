"""System checks of the orders app."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from catalog.alstyle.shipping import check_hour, parse_work_days
from orders.working_time import parse_holidays, parse_work_week

# What such a setting must also be; raises `ValueError`.
PARSERS: dict[str, Callable[[Any], object]] = {
    "WORK_WEEK": parse_work_week,
    "HOLIDAYS": parse_holidays,
    "SUPPLIER_WORK_WEEK": parse_work_days,
    "SUPPLIER_HOLIDAYS": parse_holidays,
    "SHIPPING_CUTOFF_HOUR": check_hour,
}


@register("bridge")
def check_working_time(
    app_configs: Sequence[Any] | None, **_kwargs: Any
) -> list[CheckMessage]:
    """Report hours and holidays that cannot be read (E001)."""
    found: list[CheckMessage] = []
    for name, parse in PARSERS.items():
        try:
            parse(getattr(settings, name))
        except ValueError as error:
            found.append(
                Error(
                    f"{name} {error}.",
                    hint=f"Correct {name} in .env or in the environment.",
                    id="orders.E001",
                )
            )
    return found
