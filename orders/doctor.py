"""What an examination looks at of Kaspi's orders and of buying at Al-Style."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from backoffice.examining import CALL_S, PATIENCE_S, Check, Finding, look_at_peer
from orders.kaspi.client import KaspiClient, open_client
from orders.models import Order, ReadMark, SupplierAccount
from orders.needs import ATTORNEY_NEAR
from orders.supply.submission import attorney_ends_on
from plumbing.leases import database_now


def look_at_token(check: Check) -> Iterator[Finding]:
    """Ask for one of the last day's new orders."""
    if not settings.KASPI_TOKEN:
        advice = _("Set it in .env and restart the bridge.")
        yield check.fail(_("KASPI_TOKEN is not set"), advice=advice)
        return
    with open_client() as client:
        client.peer.be_brief(timeout_s=CALL_S, patience_s=PATIENCE_S)
        yield from look_at_peer(
            check, client.peer, lambda: _count_new(client), setting="KASPI_TOKEN"
        )
    if not settings.KASPI_MERCHANT_UID and not Order.objects.exists():
        yield check.warn(
            _("No order has ever been read, and the shop's uid is not set"),
            advice=_(
                "Some shops see no order without it: ask Kaspi's support for the "
                "number and enter it in Settings."
            ),
        )


def _count_new(client: KaspiClient) -> str:
    now = database_now()
    page = client.orders_page(
        Order.NEW,
        ge=now - timedelta(days=1),
        le=now,
        page=0,
        size=1,
        include_entries=False,
    )
    text = _("The token works; new orders since yesterday: %(number)d")
    return text % {"number": page.total_count}


def look_at_readings(check: Check) -> Iterator[Finding]:
    """See whether new orders are read."""
    now = database_now()
    mark = ReadMark.objects.filter(state=Order.NEW).first()
    if mark is None or not mark.was_ever_read:
        yield check.warn(
            _("New orders have not been read yet"),
            advice=_("Wait a few minutes; then see in Readings of orders why."),
        )
    elif mark.is_late(now=now):
        text = _("New orders were last read whole at %(at)s")
        at = date_format(timezone.localtime(mark.read_until), "SHORT_DATETIME_FORMAT")
        advice = _("See in Readings of orders what went wrong: deadlines run on.")
        yield check.fail(text % {"at": at}, advice=advice)
    else:
        yield check.ok(_("New orders are read on time"))


def look_at_attorney(check: Check) -> Iterator[Finding]:
    """See until when the supplier may be ordered from."""
    account = SupplierAccount.objects.first()
    if account is None:
        yield check.warn(
            _("Al-Style's account has not been read yet"),
            advice=_("It is read with the first order."),
        )
        return
    today = timezone.localdate()
    ends = attorney_ends_on(account, today=today)
    advice = _("Hand in a new power of attorney at Al-Style.")
    if ends is None:
        text = _(
            "Al-Style has no valid power of attorney for us: nothing can be bought"
        )
        yield check.fail(text, advice=advice)
        return
    text = _("The power of attorney at Al-Style ends on %(day)s")
    text %= {"day": date_format(ends, "SHORT_DATE_FORMAT")}
    if ends - today <= ATTORNEY_NEAR:
        yield check.warn(text, advice=advice)
    else:
        yield check.ok(text)


CHECKS = (
    Check(
        code="kaspi",
        title=gettext_lazy("Kaspi's token"),
        look=look_at_token,
        is_live=True,
    ),
    Check(
        code="order-readings",
        title=gettext_lazy("Readings of orders"),
        look=look_at_readings,
    ),
    Check(
        code="attorney", title=gettext_lazy("Power of attorney"), look=look_at_attorney
    ),
)
