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
        from django.contrib.auth.models import User
        from django.db.models.signals import pre_delete
        from django_q.signals import pre_execute

        from bridge_site import checks  # noqa: F401  (registers the system checks)
        from bridge_site.adjustable import adjustable_parsers
        from bridge_site.staff.accounts import refuse_deletion
        from plumbing.adjusting import make_adjustable, settle_for_task

        make_adjustable(adjustable_parsers())
        pre_execute.connect(settle_for_task, dispatch_uid="settled-settings")
        # The model is Django's, and every way of deleting a row passes here.
        pre_delete.connect(refuse_deletion, sender=User, dispatch_uid="kept-accounts")


class BridgeAdminConfig(AdminConfig):
    default_site = "bridge_site.admin_site.BridgeAdminSite"
