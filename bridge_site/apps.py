"""The site's app and the admin it installs."""

from __future__ import annotations

import importlib
import sys

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.utils.translation import gettext_lazy as _

METRICS_LIBRARY = "prometheus_client"


def load_queue_alone() -> None:
    """Load django-q's settings without the metrics' library.

    It takes the library wherever it finds it, for a way of measuring that is not ours:
    four megabytes in each part. Only a scrape loads it.
    """
    if METRICS_LIBRARY in sys.modules:
        return
    sys.modules[METRICS_LIBRARY] = None  # type: ignore[assignment]
    try:
        importlib.import_module("django_q.conf")
    finally:
        del sys.modules[METRICS_LIBRARY]


# Here, because the apps are loaded in the order of `INSTALLED_APPS`, this one first.
load_queue_alone()


class BridgeSiteConfig(AppConfig):
    name = "bridge_site"
    # The tables of `plumbing` have the package's own name as theirs.
    label = "bridge"
    verbose_name = _("Bridge")

    def ready(self) -> None:
        from django.contrib.auth.models import User
        from django.contrib.auth.signals import user_logged_in
        from django.db.models.signals import pre_delete
        from django_q.signals import pre_execute

        # They register the system checks.
        from bridge_site import checks, modes  # noqa: F401
        from bridge_site.adjustable import adjustable_parsers
        from bridge_site.sentry import start_sentry
        from bridge_site.staff.accounts import refuse_deletion
        from bridge_site.staff.sessions import note_last_login
        from bridge_site.staff.signing_in import begin_session
        from plumbing.adjusting import make_adjustable, settle_for_task
        from plumbing.tracing import begin_task

        make_adjustable(adjustable_parsers())
        pre_execute.connect(settle_for_task, dispatch_uid="settled-settings")
        user_logged_in.connect(begin_session, dispatch_uid="signed-in-at")
        pre_execute.connect(begin_task, dispatch_uid="trace")
        start_sentry()
        # In the place of Django's own, which keeps people out while the disk is full.
        user_logged_in.disconnect(dispatch_uid="update_last_login")
        user_logged_in.connect(note_last_login, dispatch_uid="update_last_login")
        # The model is Django's, and every way of deleting a row passes here.
        pre_delete.connect(refuse_deletion, sender=User, dispatch_uid="kept-accounts")


class BridgeAdminConfig(AdminConfig):
    default_site = "bridge_site.admin_site.BridgeAdminSite"
