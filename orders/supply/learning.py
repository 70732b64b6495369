"""What we learn of Al-Style: its contract leaves much open, clear answers show it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import F
from django.utils.translation import gettext_lazy as _

from catalog.alstyle.trade import SupplierOrderRow, parse_naive
from orders.models import LearnedFact, Purchase
from plumbing.clocks import is_time_steady

Name = LearnedFact.Name
# What is done as long as a fact is not known; shown to staff beside those that are.
CAREFUL_SIDE = {
    Name.SUBMIT_EMPTIES: _(
        "the cart is looked into after each order, and no cart is submitted twice"
    ),
    Name.ADD_ADDS: _("goods are put in once, into an empty cart only"),
    Name.REFERENCE_SHOWN: _(
        "an order without our reference is taken for ours only when all else fits"
    ),
    Name.DATE_FORMAT: _("dates prove nothing"),
    Name.DATE_OFFSET_MIN: _("dates prove nothing"),
    Name.LISTED_ID: _("our young orders are asked for under which number they stand"),
    Name.LISTED_AFTER_S: _("a new order is waited for 25 minutes"),
    Name.LIST_ORDER: _("lists are read to their end"),
    Name.CANCELLED_AFTER_S: _("a cancel is asked after until it shows"),
    Name.STOCK_FALLS_AT: _("our reserves are subtracted until the goods are shipped"),
    Name.REFUSAL_WORDS: _("only the cart's own balance says that goods are lacking"),
    Name.ROW_MARKS: _("whose a row like ours is, the cart's last readings tell alone"),
    Name.ORDERS_CHANGE: _("a person has them taken out, or says that we may try"),
    Name.GOES_ON_ALONE: _("each purchase stops after each call, if the setting says"),
}
# Offsets of time zones are whole quarters of an hour.
QUARTER_MIN = 15


def learned(name: LearnedFact.Name) -> str | None:
    """Give what is known, or None: then the careful side is taken."""
    facts = LearnedFact.objects.filter(name=name)
    return facts.values_list("value", flat=True).first()


def learned_seconds(name: LearnedFact.Name) -> int | None:
    """Give what is known as a number of seconds."""
    value = learned(name)
    return None if value is None else int(value)


def learn(name: LearnedFact.Name, value: str, *, evidence: str, now: datetime) -> None:
    """Keep what a clear answer showed; what was known before is kept beside it."""
    same = LearnedFact.objects.filter(name=name, value=value)
    if same.update(confirmations=F("confirmations") + 1):
        return
    changed = LearnedFact.objects.filter(name=name)
    fields = {"value": value, "evidence": evidence, "learned_at": now}
    if changed.update(previous=F("value"), confirmations=1, **fields):
        return
    LearnedFact.objects.get_or_create(name=name, defaults=fields)


def learn_at_most(
    name: LearnedFact.Name, seconds: int, *, evidence: str, now: datetime
) -> None:
    """Keep the longest delay that was ever seen."""
    known = learned_seconds(name)
    if known is None or seconds > known:
        learn(name, str(seconds), evidence=evidence, now=now)


def learn_from_order(
    purchase: Purchase, row: SupplierOrderRow, *, now: datetime
) -> None:
    """Learn from an order that a clear answer made and that was read since."""
    evidence = f"{purchase}, {row.order_id}"
    shows = "yes" if purchase.codes <= set(row.words.split()) else "no"
    learn(Name.REFERENCE_SHOWN, shows, evidence=evidence, now=now)
    form, naive = parse_naive(row.date_text)
    learn(Name.DATE_FORMAT, form or "none", evidence=evidence, now=now)
    sent = purchase.last_submit_at
    if naive is None or "%H" not in form or sent is None:
        return
    if is_time_steady(now=now):
        ahead = naive - sent.replace(tzinfo=None)
        quarters = round(ahead / timedelta(minutes=QUARTER_MIN))
        minutes = str(quarters * QUARTER_MIN)
        learn(Name.DATE_OFFSET_MIN, minutes, evidence=evidence, now=now)


def placed_at(row: SupplierOrderRow) -> datetime | None:
    """Say when an order was made, in UTC without zone; None = it cannot be told."""
    offset = learned(Name.DATE_OFFSET_MIN)
    form, naive = parse_naive(row.date_text)
    if offset is None or naive is None or "%H" not in form:
        return None
    return naive - timedelta(minutes=int(offset))
