"""Works out anew what all orders bring, and says where the stored rows differed."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from catalog.rules import load_rules
from orders.models import Order
from orders.money.booking import Booked, book_orders

ORDERS_AT_ONCE = 500


def recount_money(*, now: datetime, is_dry_run: bool = False) -> Booked:
    """Go over every order, by hundreds; `is_dry_run` compares and writes nothing."""
    done, last_pk = Booked(), 0
    book = load_rules()
    while True:
        with transaction.atomic():
            # In the planner's order of locks: the order first.
            rows = Order.objects.select_for_update().filter(pk__gt=last_pk)
            orders = list(rows.order_by("pk").defer("note")[:ORDERS_AT_ONCE])
            if not orders:
                return done
            done.add(book_orders(orders, now=now, book=book, is_dry_run=is_dry_run))
        last_pk = orders[-1].pk
