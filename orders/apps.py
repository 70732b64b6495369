"""Kaspi's orders: taken in, reserved at Al-Style, accepted and carried to the end."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OrdersConfig(AppConfig):
    name = "orders"
    verbose_name = _("Orders")

    def ready(self) -> None:
        from orders import checks  # noqa: F401  (registers the system checks)
