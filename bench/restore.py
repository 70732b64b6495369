"""Restore old backups on simulated time, and run a copied deployment beside the first.

    python bench/restore.py --orders-a-day 12

Backups 5 minutes, 1 day and 20 days old, an empty database, and a copied machine or
container that runs at the same time, each with our references shown by the supplier and
hidden. Orders keep coming, some are called off, a manager orders the same goods. Real:
the bridge's code, its backups and restores, a SQLite database, both peers over HTTP.
Simulated: time.

Judged by both peers' own books; whoever is asked looks into them, as a person does into
the portal. Exits with 1 when anything was bought twice, accepted twice or forgotten.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measuring import throwaway_database
from bench.reservations import PRICE_KZT, Bars, open_shop
from bench.simulated_time import SandboxClock, SimulatedTime
from sandbox import AlStyleServer, KaspiServer
from sandbox.audit import audit, owners_of

# The goods have left the supplier for the shop: there is nothing to be released.
SHIPPED = ("P", "F")
# A Tuesday, 10:00 in Almaty.
OPENING = datetime(2026, 3, 10, 5, 0, tzinfo=timezone.utc)
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
AGES = {"5 minutes": 5 * MINUTE, "1 day": DAY, "20 days": 20 * DAY}
EMPTY, COPY, CONTAINER = "empty", "copied machine", "copied container"
WARM_UP_S, AWAY_S, AFTER_S = 6 * HOUR, 10 * MINUTE, 3 * HOUR
LONGEST_RECOVERY_S = 3 * HOUR
# Orders at the moment of the backup, so that a young one misses some, too.
RUSH = 6
CALLED_OFF, ALIKE = 0.12, 0.1
# Few of them, so that equal orders are common.
GOODS = 12


@dataclass(slots=True)
class Shop:
    """Both peers, buyers, and one bridge between them, in simulated time."""

    simulated: SimulatedTime
    supplier: AlStyleServer
    kaspi: KaspiServer
    skus: list[str]
    orders_a_day: float
    dice: random.Random = field(default_factory=lambda: random.Random(7))
    _next_order_s: float = 0.0
    open_codes: list[str] = field(default_factory=list)

    def live(self, seconds: float, *, works: Callable[[], None] | None = None) -> None:
        """Let time pass; the bridge, or whatever `works`, has a turn now and then."""
        until = self.simulated.monotonic() + seconds
        step_s = min(max(seconds / 200, 5 * MINUTE), 2 * HOUR, seconds)
        while self.simulated.monotonic() < until:
            self._let_buyers_come()
            if works is not None:
                works()
            self.simulated.sleep(step_s)

    def _let_buyers_come(self) -> None:
        while self._next_order_s <= self.simulated.monotonic():
            self._next_order_s += self.dice.expovariate(self.orders_a_day / DAY)
            self.order()

    def order(self) -> None:
        count = 1 if self.dice.random() < 0.8 else 2
        chosen = self.dice.sample(self.skus[:GOODS], count)
        lines = [
            {"sku": sku, "price": PRICE_KZT, "quantity": self.dice.choice((1, 1, 2))}
            for sku in chosen
        ]
        code = self.kaspi.new_order(lines).code
        self.open_codes = [*self.open_codes[-30:], code]
        if self.dice.random() < CALLED_OFF:
            gone = self.dice.choice(self.open_codes)
            order = self.kaspi.orders[gone]
            is_open = order.status in ("APPROVED_BY_BANK", "ACCEPTED_BY_MERCHANT")
            if is_open and "handed" not in order.marks:
                self.kaspi.happen(gone, "buyer-cancel")
        if self.dice.random() < ALIKE:
            self.supplier.manager_order({int(chosen[0]): 1})

    def answer_questions(self) -> int:
        """Answer as a person who sees the portal; gives how many orders were asked."""
        from orders.models import Step
        from orders.plan import actions
        from orders.recovery import deciding

        asked = list(deciding.undecided())
        for step in asked:
            number = self._bought_for(step.order.code)
            if number:
                deciding.were_bought([step], number, actor="anna")
            else:
                deciding.buy(step, actor="anna")
        doubtful = Step.objects.stuck().filter(reason__in=("which_order", "not_listed"))
        for step in doubtful.select_related("order"):
            number = self._bought_for(step.order.code)
            if number:
                actions.adopt_supplier_order(step, number, actor="anna")
            else:
                actions.reserve_anew(step, actor="anna")
            asked.append(step)
        return len({step.order_id for step in asked})

    def _bought_for(self, code: str) -> str:
        mine = [
            made
            for made in self.supplier.book()
            if made["live"] and code in owners_of(made, {code})
        ]
        return str(mine[0]["id"]) if mine else ""


def work() -> None:
    """Do what the parts do in a minute: read, buy, accept, follow, reconcile."""
    from django.core.cache import cache

    from orders import tasks
    from plumbing import epoch

    cache.clear()
    epoch.forget()
    for task in (
        tasks.poll_orders,
        tasks.process_orders,
        tasks.refresh_orders,
        tasks.process_orders,
        tasks.follow_supplier,
        tasks.sweep_orders,
        tasks.recover,
        tasks.reconcile,
    ):
        task()
    epoch.beat()


def judge(bars: Bars, shop: Shop, *, asked: int, recovered_after_s: float) -> None:
    from orders.models import Order, Step

    found = audit(shop.supplier.book(), shop.kaspi.book())
    book = {order["code"]: order for order in shop.kaspi.book()}
    stuck = Step.objects.stuck().values_list("order__code", flat=True)
    told = set(stuck)
    known = set(Order.objects.values_list("code", flat=True))
    # What was over before the empty database began is no concern of its.
    unserved = set(found.unserved) - told
    lost = {code for code in book if code not in known and not _is_over(book[code])}
    made = len(shop.supplier.book())
    print(f"  orders of buyers {len(book)}, at the supplier {made}")
    bars.show("orders bought twice", len(found.served_twice), 0)
    twice = [code for code, order in book.items() if order["accepted"] > 1]
    bars.show("orders accepted twice", len(twice), 0)
    bars.show("forgotten: neither bought nor told", len(unserved | lost), 0)
    held = {code for code in found.unreleased if _is_held(shop, code)}
    bars.show("called off and held, nobody told", len(held - told), 0)
    bars.show("bought for nobody", len(found.owned_by_nobody), 0)
    print(f"  needed a person: {asked}")
    print(f"  reconciled after {recovered_after_s / 60:.0f} min")


def _is_held(shop: Shop, code: str) -> bool:
    """Tell whether goods are kept at the supplier for an order; shipped, none are."""
    mine = (made for made in shop.supplier.book() if code in owners_of(made, {code}))
    return any(made["live"] and made["status"] not in SHIPPED for made in mine)


def _is_over(order: dict[str, Any]) -> bool:
    return order["status"] in ("COMPLETED", "CANCELLED", "RETURNED")


def restore_old(shop: Shop, age_s: float | None, bars: Bars) -> None:
    """Live on after a backup, lose the database, bring the backup back, go on."""
    from django.core.management import call_command

    from bridge_site.backups.making import make_backup
    from bridge_site.backups.restoring import restore
    from orders.models import Reservation
    from plumbing import epoch
    from plumbing.leases import database_now
    from plumbing.models import Heartbeat

    shop.live(WARM_UP_S, works=work)
    if age_s is None:
        shop.live(DAY, works=work)
        shop.live(AWAY_S)
        known = keep_catalogue()
        call_command("flush", interactive=False, verbosity=0)
        known()
        epoch.forget()
    else:
        path = make_backup(now=database_now())
        for _order in range(RUSH):
            shop.order()
        shop.live(age_s, works=work)
        shop.live(AWAY_S)
        Heartbeat.objects.all().delete()
        lost = Reservation.objects.count()
        restore(path)
        lost -= Reservation.objects.count()
        print(f"  reservations that the backup does not know: {lost}")
    go_on(shop, bars)


def go_on(shop: Shop, bars: Bars) -> None:
    from plumbing.models import Epoch

    began = shop.simulated.monotonic()
    while True:
        shop.live(MINUTE, works=work)
        took_s = shop.simulated.monotonic() - began
        if not Epoch.objects.get().is_guarded or took_s > LONGEST_RECOVERY_S:
            break
    print(f"  {Epoch.objects.get().progress.get('summary', '—')}")
    asked = shop.answer_questions()
    shop.live(AFTER_S, works=work)
    shop.live(HOUR, works=work)
    judge(bars, shop, asked=asked, recovered_after_s=took_s)


def keep_catalogue() -> Callable[[], None]:
    """Keep the goods that the first import reads again anyway."""
    from django.core import serializers

    from catalog.models import Category, PriceRule, Product

    models = (Category, PriceRule, Product)
    rows = [row for model in models for row in model._default_manager.all()]
    text = serializers.serialize("json", rows)

    def bring() -> None:
        for row in serializers.deserialize("json", text):
            row.save()

    return bring


def run_copy(shop: Shop, what: str, bars: Bars) -> None:
    """Copy database and mark to another machine; both work, turn by turn."""
    from django.conf import settings
    from django.db import connection

    from plumbing import epoch
    from plumbing.models import Epoch

    folder = Path(str(settings.EPOCH_MARK)).parent
    database = Path(connection.settings_dict["NAME"])
    files = (database, Path(str(settings.EPOCH_MARK)))

    def keep(name: str) -> None:
        connection.close()
        for file in files:
            shutil.copyfile(file, folder / f"{file.name}.{name}")

    def become(name: str) -> None:
        connection.close()
        for ending in ("-wal", "-shm"):
            database.with_name(database.name + ending).unlink(missing_ok=True)
        for file in files:
            shutil.copyfile(folder / f"{file.name}.{name}", file)
        epoch.forget()

    cards = {"first": ("card",), "copy": ("another card",)}
    machines = cards if what == COPY else dict.fromkeys(cards, ())

    @contextmanager
    def on_machine(name: str) -> Iterator[None]:
        anchor = name if what == CONTAINER else "the same"
        with (
            mock.patch.object(epoch, "hardware", lambda: machines[name]),
            mock.patch.object(epoch, "anchor_of", lambda _path: anchor),
            mock.patch.object(epoch, "drop_anchor", lambda _path: anchor),
        ):
            yield

    with on_machine("first"):
        shop.live(WARM_UP_S, works=work)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for name in machines:
        keep(name)

    def take_turns() -> None:
        for name in machines:
            become(name)
            with on_machine(name):
                work()
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            keep(name)

    shop.live(DAY, works=take_turns)
    become("copy")
    print(f"  the copy: {Epoch.objects.get().guarded_for or 'writes'}")
    become("first")
    print(f"  the first: {Epoch.objects.get().guarded_for or 'writes'}")
    judge(bars, shop, asked=0, recovered_after_s=0)


@contextmanager
def shop_of(*, shows: bool, orders_a_day: float) -> Iterator[Shop]:
    from django.test import override_settings

    from plumbing import epoch

    simulated = SimulatedTime(OPENING)
    with (
        simulated.for_the_bridge(),
        AlStyleServer(interval_s=0, clock=SandboxClock(simulated)) as supplier,
        KaspiServer(clock=SandboxClock(simulated)) as kaspi,
    ):
        supplier.change_settings(shows_external_id=shows, shows_comments=shows)
        skus = open_shop(supplier, kaspi)
        from django.conf import settings

        mark = Path(settings.VAR_DIR) / "epoch.json"
        with (
            override_settings(EPOCH_MARK=mark, WORK_WEEK=["0-24"] * 7),
            mock.patch.object(epoch, "hardware", lambda: ("card",)),
        ):
            epoch.forget()
            epoch.begin()
            yield Shop(simulated, supplier, kaspi, skus, orders_a_day)


def measure(what: str, *, shows: bool, orders_a_day: float, bars: Bars) -> None:
    from django.utils import translation

    with shop_of(shows=shows, orders_a_day=orders_a_day) as shop:

        def drive() -> None:
            translation.activate("en")
            if what in (COPY, CONTAINER):
                run_copy(shop, what, bars)
            else:
                restore_old(shop, AGES.get(what), bars)
            shop.simulated.end()

        shop.simulated.start(drive)
        shop.simulated.run()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders-a-day", type=float, default=12)
    every = [*AGES, EMPTY, COPY, CONTAINER]
    parser.add_argument("--what", choices=every, help="only this one")
    parser.add_argument("--references", choices=["shown", "hidden"])
    options = parser.parse_args()
    if options.what is None or options.references is None:
        # Each in a process, and with a database, of its own.
        whats = [options.what] if options.what else every
        shown = [options.references] if options.references else ["shown", "hidden"]
        again = [sys.executable, __file__, "--orders-a-day", str(options.orders_a_day)]
        return max(
            subprocess.call([*again, "--what", what, "--references", references])
            for what in whats
            for references in shown
        )
    bars = Bars()
    with throwaway_database():
        title = f"{options.what}, references {options.references}"
        print(f"{title[0].upper()}{title[1:]}")
        measure(
            options.what,
            shows=options.references == "shown",
            orders_a_day=options.orders_a_day,
            bars=bars,
        )
    return 0 if bars.are_kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
