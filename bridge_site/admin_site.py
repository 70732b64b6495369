"""The admin as staff see it."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from bridge_site.staff.signing_in import has_temporary_password
from bridge_site.staff.views import OwnPasswordView

# In the order of the work; what is not named comes after, by name.
APPS = ("orders", "catalog", "feeds", "alerts")
MODELS = (
    "Order",
    "Booking",
    "Step",
    "Reservation",
    "Purchase",
    "SupplierOrder",
    "LearnedFact",
    "ParcelCheck",
    "ReadMark",
    "Product",
    "Category",
    "PriceRule",
    "CommissionRate",
    "ImportRun",
    "ProductChange",
    "FeedBuild",
    "Store",
    "FeedFetch",
    "Alert",
    "Channel",
    "Notice",
)


# Pages that are no list of a model, by app: what they are called, where they are, and
# the permission that opens them. They lead the app's menu.
PAGES: dict[str, tuple[tuple[str | Promise, str, str], ...]] = {
    "orders": ((_("Hand-over today"), "hand_over", "orders.view_order"),),
    "bridge": (
        (_("Settings"), "owner_settings", "bridge_site.change_adjustedsetting"),
        (_("Examination"), "doctor", "bridge_site.examine_bridge"),
        (_("First day"), "first_day", "bridge_site.examine_bridge"),
    ),
}


class BridgeAdminSite(admin.AdminSite):
    """Django's admin with the bridge's name and the overview as its index."""

    site_header = _("Al-Style → Kaspi")
    site_title = _("Bridge")
    index_title = _("Overview")
    site_url = None
    empty_value_display = "—"
    # Not "admin/index.html", which the pages of single apps extend.
    index_template = "bridge/overview.html"
    enable_nav_sidebar = True

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Change one's own password; nothing else is offered before a first one."""
        is_temporary = has_temporary_password(request.user)
        context = {**self.each_context(request), "is_temporary": is_temporary}
        if is_temporary:
            context |= {"is_nav_sidebar_enabled": False, "available_apps": []}
        view = OwnPasswordView.as_view(extra_context=context)
        return cast(TemplateResponse, view(request))

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[dict[str, Any]]:
        apps = super().get_app_list(request, app_label)
        if app_label is None:
            apps += _app_without_models(request)
        for app in apps:
            app["models"].sort(key=lambda model: _rank(model["object_name"], MODELS))
            app["models"][:0] = _pages_of(request, app["app_label"])
        return sorted(apps, key=lambda app: _rank(app["app_label"], APPS))


def _app_without_models(request: HttpRequest) -> list[dict[str, Any]]:
    """Describe the roof's own app, if this person may open one of its pages."""
    if not (pages := _pages_of(request, "bridge")):
        return []
    app = {"name": _("Bridge"), "app_label": "bridge", "has_module_perms": True}
    return [{**app, "app_url": pages[0]["admin_url"], "models": []}]


def _pages_of(request: HttpRequest, app_label: str) -> list[dict[str, Any]]:
    """Describe an app's own pages as Django describes a model's list."""
    return [
        {
            "name": name,
            "object_name": url_name,
            "admin_url": reverse(url_name),
            "add_url": None,
            "view_only": True,
            "perms": {},
        }
        for name, url_name, permission in PAGES.get(app_label, ())
        if request.user.has_perm(permission)
    ]


def _rank(name: str, order: tuple[str, ...]) -> int:
    return order.index(name) if name in order else len(order)
