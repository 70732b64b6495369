"""The power of attorney and the way of delivery that a supplier order names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.translation import gettext as _

from catalog.alstyle.cart import Submission
from catalog.alstyle.client import PEER_NAME
from catalog.alstyle.shipping import parse_work_days, shipping_date
from catalog.alstyle.trade import parse_moment
from orders.clients import Clients
from orders.models import Reason, SupplierAccount
from orders.working_time import parse_holidays
from plumbing.clocks import time_at
from plumbing.leases import database_now

ALMATY = ZoneInfo("Asia/Almaty")
READ_EVERY = timedelta(days=1)
NAME = "alstyle"


class AccountIncomplete(Exception):
    """The account lacks what an order must name; the text says what to do."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def prepare_submission(clients: Clients, *, reference: str) -> Submission:
    """Name who fetches and how; the account is read anew when a day old or not valid.

    Raises `AccountIncomplete`, `PeerError`.
    """
    # Its days count, should our clock be wrong.
    there = time_at(PEER_NAME, now=database_now())
    account = SupplierAccount.objects.filter(
        name=NAME, read_at__gt=database_now() - READ_EVERY
    ).first()
    if account is not None:
        try:
            return _submission(account, reference=reference, now=there)
        except AccountIncomplete:
            # Perhaps put right in the portal a minute ago.
            pass
    account = _read(clients, now=database_now())
    return _submission(account, reference=reference, now=there)


def attorney_ends_on(account: SupplierAccount, *, today: date) -> date | None:
    """Tell when the last power of attorney in use ends."""
    chosen = _choose(account.attorneys, bin_=_bin(account), today=today)
    return None if chosen is None else _day(chosen.get("ДатаОкончания"))


def _read(clients: Clients, *, now: datetime) -> SupplierAccount:
    data = clients.supplier.user_data()
    account, _created = SupplierAccount.objects.update_or_create(
        name=NAME,
        defaults={
            "attorneys": list(data.attorneys),
            "deliveries": list(data.deliveries),
            "bin": data.bin,
            "read_at": now,
        },
    )
    return account


def _submission(
    account: SupplierAccount, *, reference: str, now: datetime
) -> Submission:
    bin_, today = _bin(account), now.astimezone(ALMATY).date()
    attorney = _choose(account.attorneys, bin_=bin_, today=today)
    if attorney is None:
        raise AccountIncomplete(
            Reason.NO_ATTORNEY,
            _(
                "Al-Style has no valid power of attorney for us: "
                "enter a new one in its portal, then retry"
            ),
        )
    delivery = _choose(account.deliveries, bin_=bin_, today=None)
    if delivery is None:
        raise AccountIncomplete(
            Reason.NO_DELIVERY,
            _(
                "Al-Style knows no way of delivery for us: "
                "enter one in its portal, then retry"
            ),
        )
    return Submission(
        shipping_date=shipping_date(
            now,
            days_ahead=settings.SHIPPING_DAYS_AHEAD,
            work_week=parse_work_days(settings.SUPPLIER_WORK_WEEK),
            holidays=parse_holidays(settings.SUPPLIER_HOLIDAYS),
            cutoff_hour=settings.SHIPPING_CUTOFF_HOUR,
        ),
        attorney=attorney,
        delivery=delivery,
        reference=reference,
        bin=bin_,
    )


def _bin(account: SupplierAccount) -> str:
    return str(settings.ALSTYLE_BIN or account.bin)


def _choose(
    records: Iterable[Mapping[str, Any]], *, bin_: str, today: date | None
) -> Mapping[str, Any] | None:
    """Take the main record of our BIN, else its first, else the first of any."""
    valid = [r for r in records if today is None or _is_valid(r, today=today)]
    ours = [r for r in valid if not bin_ or str(r.get("БИН") or "") in ("", bin_)]
    main = [r for r in ours if r.get("Основной") in (True, 1, "1")]
    return next(iter([*main, *ours]), None)


def _is_valid(record: Mapping[str, Any], *, today: date) -> bool:
    ends = _day(record.get("ДатаОкончания"))
    begins = _day(record.get("ДатаВыдачи"))
    return ends is not None and ends >= today and (begins is None or begins <= today)


def _day(raw: Any) -> date | None:
    moment = parse_moment(raw)
    return None if moment is None else moment.astimezone(ALMATY).date()
