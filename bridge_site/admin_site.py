"""The admin as staff see it."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _


class BridgeAdminSite(admin.AdminSite):
    """Django's admin with the bridge's name and its dashboard as the index."""

    site_header = _("Al-Style → Kaspi")
    site_title = _("Bridge")
    index_title = _("Overview")
    site_url = None
    enable_nav_sidebar = True
