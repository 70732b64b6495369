"""A short test of a release by itself, on a database that nobody else uses."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.urls import reverse

# What staff open first; each reads another part of the database.
PAGES = (
    "admin:index",
    "admin:orders_order_changelist",
    "admin:catalog_product_changelist",
    "admin:feeds_feedbuild_changelist",
    "admin:alerts_alert_changelist",
)


def test_itself() -> Iterator[str]:
    """Give what is wrong with this release; empty when it is fit to run."""
    # Raises: of what is not even migrated, nothing more can be told.
    call_command("migrate", "--check", verbosity=0)
    call_command("sync_roles", verbosity=0)
    call_command("sync_schedules", verbosity=0)
    if not staticfiles_storage.exists("bridge/admin/shell.css"):
        yield "the pages' styles are not collected"
    with transaction.atomic():
        yield from _try_pages()
        # Whatever database it was, nobody of ours stays in it.
        transaction.set_rollback(True)


def _try_pages() -> Iterator[str]:
    host = settings.ALLOWED_HOSTS[0].lstrip(".").replace("*", "localhost")
    client = Client(SERVER_NAME=host)
    staff = get_user_model()(username="self-test", is_staff=True, is_superuser=True)
    staff.set_unusable_password()
    staff.save()
    # The first ones only keep strangers out.
    client.force_login(staff, backend=settings.AUTHENTICATION_BACKENDS[-1])
    for address in (*map(reverse, PAGES), "/healthz"):
        try:
            status = client.get(address, secure=True).status_code
        except Exception as error:  # whatever it is, the release is not fit
            yield f"{address}: {type(error).__name__}: {error}"
            continue
        if status >= 400:
            yield f"{address} answers {status}"
