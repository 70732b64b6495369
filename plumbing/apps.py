"""The plumbing's app."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PlumbingConfig(AppConfig):
    name = "plumbing"
    # The name that its tables and their history bear in every database there is.
    label = "bridge_site"
    verbose_name = _("Plumbing")

    def ready(self) -> None:
        from django.db.backends.signals import connection_created

        from plumbing.failover import prepare_session
        from plumbing.queue_time import share_the_clock

        share_the_clock()
        connection_created.connect(prepare_session, dispatch_uid="prepared-session")
