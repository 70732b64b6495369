"""The site's app and the admin it installs."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.utils.translation import gettext_lazy as _


class BridgeSiteConfig(AppConfig):
    name = "bridge_site"
    # The tables of `plumbing` have the package's own name as theirs.
    label = "bridge"
    verbose_name = _("Bridge")

    def ready(self) -> None:
        from bridge_site import checks  # noqa: F401  (registers the system checks)


class BridgeAdminConfig(AdminConfig):
    default_site = "bridge_site.admin_site.BridgeAdminSite"
