"""A restored, emptied or copied database: nothing is bought or accepted twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connection
from django.utils import timezone

from orders import tasks
from orders.models import (
    LearnedFact,
    Order,
    Purchase,
    ReadMark,
    Reason,
    Reservation,
    Step,
)
from orders.recovery import deciding, running
from orders.recovery.running import Recovered, recover
from plumbing import epoch
from plumbing.leases import database_now
from plumbing.models import Epoch, Lease
from sandbox.audit import audit
from tests.orders.factories import (
    articles_of_plenty,
    ensure_price_rule,
    know_supplier,
    product_of,
    step_of,
)

pytestmark = pytest.mark.django_db(transaction=True)
R, S = Reservation.Status, Step.Status


def flush() -> None:
    options = {"interactive": False, "verbosity": 0, "inhibit_post_migrate": True}
    call_command("flush", **options)
    ContentType.objects.clear_cache()


class Shop:
    """Both peers, and a bridge between them whose database can be taken back."""

    def __init__(self, supplier, kaspi, process: Callable[..., object]) -> None:
        self.supplier, self.kaspi, self._process = supplier, kaspi, process
        plenty = articles_of_plenty(supplier, at_least=40)[:6]
        self.products = [product_of(supplier, article) for article in plenty]

    def order(self, *places: int, quantity: int = 1, age_s: float = 0, **options):
        """Let a buyer order some of the goods; gives Kaspi's code."""
        lines = [
            {
                "sku": self.products[place].sku,
                "quantity": quantity,
                "price": 2.0 * self.products[place].cost_kzt + 3000,
            }
            for place in places or (0,)
        ]
        return self.kaspi.new_order(lines, age_s=age_s, **options).code

    def work(self) -> None:
        """Read new orders, buy, accept, as a minute of the bridge's life does."""
        tasks.poll_orders()
        self._process()
        tasks.refresh_orders()
        self._process()

    def back_up(self) -> str:
        return connection.creation.serialize_db_to_string()

    def restore(self, backup: str) -> None:
        flush()
        connection.creation.deserialize_db_from_string(backup)
        with connection.cursor() as cursor:
            models = apps.get_models(include_auto_created=True)
            for sql in connection.ops.sequence_reset_sql(no_style(), models):
                cursor.execute(sql)
        Lease.objects.all().delete()
        epoch.forget()

    def empty(self) -> None:
        flush()
        ensure_price_rule()
        epoch.forget()

    def stock_up(self) -> None:
        """Read the catalogue again into an empty database."""
        self.products = [product_of(self.supplier, p.article) for p in self.products]

    def recover(self) -> Recovered:
        result = recover(now=database_now())
        assert result is not None
        return result

    @property
    def audit(self):
        return audit(self.supplier.book(), self.kaspi.book())

    @property
    def accepts(self) -> list[int]:
        return [order["accepted"] for order in self.kaspi.book()]

    def judge(self, *, asked: int = 0) -> None:
        """Hold the peers' books against the promises."""
        found = self.audit
        assert found.served_twice == []
        assert found.accepted_unserved == []
        assert max(self.accepts) <= 1
        stuck = Step.objects.stuck().filter(kind=Step.Kind.RESERVE)
        codes = set(stuck.values_list("order__code", flat=True))
        assert len(codes) == asked
        assert set(found.unserved) <= codes


@pytest.fixture
def shop(supplier, kaspi, process, mark, settings):
    settings.LANGUAGE_CODE = "en"
    settings.KASPI_TIMEOUT_S = 2
    ensure_price_rule()
    supplier.change_settings(statuses_move=False)
    kaspi.change_settings(states_move=False)
    know_supplier()
    epoch.begin()
    assert not epoch.is_guarded()
    # Not just begun: no other host may be about to join it.
    Epoch.objects.update(marked_at=timezone.now() - timedelta(days=1))
    tasks.poll_orders()
    ReadMark.objects.update(first_read_at=timezone.now() - timedelta(days=60))
    return Shop(supplier, kaspi, process)


@pytest.fixture(autouse=True)
def bought_long_ago(monkeypatch):
    """Let what was bought last be listed by now."""
    monkeypatch.setattr(running, "LISTED_BY", timedelta(0))


@pytest.fixture(params=["references shown", "references hidden"])
def references(request, shop):
    is_shown = request.param == "references shown"
    shop.supplier.change_settings(shows_external_id=is_shown, shows_comments=is_shown)
    return is_shown


def test_without_the_guard_a_restore_buys_again(shop, settings):
    """The accident that all this is about, and that the books show it."""
    settings.EPOCH_MARK = None
    backup = shop.back_up()
    shop.order(0)
    shop.work()
    shop.restore(backup)
    shop.work()
    assert len(shop.audit.served_twice) == 1


def test_what_was_bought_since_the_backup_is_found_again(shop, references):
    shop.order(0)
    shop.work()
    backup = shop.back_up()
    since = [shop.order(1), shop.order(2, 3), shop.order(1, quantity=2)]
    shop.work()
    shop.restore(backup)
    shop.work()
    assert Epoch.objects.get().guarded_for == Epoch.Reason.RESTORED
    result = shop.recover()
    assert (len(result.adopted), result.doubtful) == (3, [])
    assert result.is_lifted
    shop.work()
    held = Reservation.objects.filter(order__code__in=since, status=R.HELD)
    assert held.count() == 3
    shop.judge()


def test_what_came_after_the_last_write_is_bought_without_asking(shop):
    backup = shop.back_up()
    shop.order(0, age_s=3600)
    shop.work()
    shop.restore(backup)
    later = shop.order(1)
    shop.work()
    Epoch.objects.update(known_until=timezone.now() - timedelta(minutes=30))
    result = shop.recover()
    assert [line.split(":")[0] for line in result.free] == [later]
    shop.work()
    shop.judge()
    assert Order.objects.get(code=later).reservations.get().status == R.HELD


def test_what_cannot_be_proven_waits_for_a_person_and_nothing_else_does(shop):
    """Bought and accepted, and the supplier's order is nowhere to be seen."""
    backup = shop.back_up()
    lost, found = shop.order(0), shop.order(1)
    shop.work()
    (gone,) = [
        order
        for order in shop.supplier.all_orders()
        if order.lines[0].article == int(shop.products[0].article)
    ]
    shop.supplier.orders.orders.pop(gone.id)
    shop.restore(backup)
    result = shop.recover()
    assert result.is_lifted
    shop.work()
    step = step_of(Order.objects.get(code=lost))
    assert (step.status, step.reason) == (S.NEEDS_PERSON, Reason.AFTER_RESTORE)
    assert Order.objects.get(code=found).reservations.get().status == R.HELD
    submits = [a for a in shop.supplier.arrivals if a.method == "submit"]
    assert len(submits) == 2


def test_alike_orders_are_paired_when_there_are_as_many(shop, references):
    backup = shop.back_up()
    for _order in range(3):
        shop.order(0)
    shop.work()
    shop.restore(backup)
    assert len(shop.recover().adopted) == 3
    shop.work()
    shop.judge()


def test_a_managers_order_with_the_same_goods_leaves_it_to_a_person(shop):
    shop.supplier.change_settings(shows_external_id=False, shows_comments=False)
    backup = shop.back_up()
    shop.order(0)
    shop.work()
    shop.supplier.manager_order({int(shop.products[0].article): 1})
    shop.restore(backup)
    result = shop.recover()
    assert len(result.doubtful) == 1
    shop.work()
    step = step_of(Order.objects.get())
    assert step.reason == Reason.AFTER_RESTORE
    assert len(step.answered["maybe_bought"]) == 2
    assert shop.audit.served_twice == []


def test_a_managers_equal_order_is_not_taken_for_ours_that_holds_his_goods(shop):
    shop.supplier.change_settings(shows_external_id=False, shows_comments=False)
    backup = shop.back_up()
    shop.order(0)
    shop.work()
    (ours,) = shop.supplier.all_orders()
    (line,) = ours.lines
    his = int(shop.products[1].article)
    ours.lines.append(dataclasses.replace(line, article=his, quantity=5))
    shop.supplier.manager_order({line.article: line.quantity})
    shop.restore(backup)
    result = shop.recover()
    assert len(result.doubtful) == 1
    shop.work()
    step = step_of(Order.objects.get())
    assert step.reason == Reason.AFTER_RESTORE
    assert len(step.answered["maybe_bought"]) == 2


def test_a_purchase_begun_before_the_backup_and_made_after_it_is_adopted(
    shop, references
):
    code = shop.order(0)
    shop.supplier.faults.add("drop_after_work", method="submit")
    tasks.poll_orders()
    shop._process()
    purchase = Purchase.objects.get()
    assert purchase.is_unsettled
    backup = shop.back_up()
    other = shop.order(1)
    Purchase.objects.all().delete()
    Step.objects.filter(order__code=code).update(status=S.SKIPPED)
    shop.work()
    shop.restore(backup)
    Step.objects.filter(status=S.IN_FLIGHT).update(status=S.UNKNOWN)
    Order.objects.filter(code=code).update(status=Order.ACCEPTED)
    result = shop.recover()
    assert Order.objects.filter(code=other).exists()
    assert any(code in line for line in [*result.adopted, *result.doubtful])
    assert len([o for o in shop.supplier.all_orders() if o.is_live]) == 2


def test_called_off_in_the_time_that_was_lost_its_goods_are_released(shop):
    shop.supplier.change_settings(shows_external_id=True, shows_comments=True)
    shop.order(1)
    shop.work()
    backup = shop.back_up()
    code = shop.order(0)
    shop.work()
    shop.restore(backup)
    shop.kaspi.happen(code, "buyer-cancel")
    assert shop.recover().is_lifted
    shop.work()
    assert shop.audit.unreleased == []


def test_what_may_be_held_for_a_called_off_order_is_told_when_nothing_names_it(shop):
    shop.supplier.change_settings(shows_external_id=False, shows_comments=False)
    backup = shop.back_up()
    code = shop.order(0)
    shop.work()
    (bought,) = shop.supplier.all_orders()
    shop.restore(backup)
    shop.kaspi.happen(code, "buyer-cancel")
    assert shop.recover().is_lifted
    shop.work()
    told = step_of(Order.objects.get(code=code), Step.Kind.CHECK)
    assert told.status == S.NEEDS_PERSON
    assert str(bought.id) in told.last_error
    assert bought.is_live


def left_to_a_person(shop, *, managers: int = 1) -> tuple[Order, str]:
    """Bought and accepted, then restored; others' orders keep it from being proven."""
    shop.supplier.change_settings(shows_external_id=False, shows_comments=False)
    backup = shop.back_up()
    shop.order(0)
    shop.work()
    (bought,) = shop.supplier.all_orders()
    for _number in range(managers):
        shop.supplier.manager_order({int(shop.products[0].article): 1})
    shop.restore(backup)
    assert len(shop.recover().doubtful) == 1
    order = Order.objects.get()
    assert step_of(order).reason == Reason.AFTER_RESTORE
    return order, str(bought.id)


@pytest.mark.parametrize("has_answered", [False, True])
def test_called_off_while_a_person_is_asked_what_may_be_held_is_told(
    shop, has_answered
):
    order, number = left_to_a_person(shop)
    if has_answered:
        # With a number that does not fit: the doubt stays.
        deciding.were_bought([step_of(order)], "999999", actor="anna")
        shop._process()
        assert step_of(order).reason == Reason.NUMBER_UNFIT
    shop.kaspi.happen(order.code, "buyer-cancel")
    shop.work()
    assert order.reservations.get().status == R.DROPPED
    told = step_of(order, Step.Kind.CHECK)
    assert (told.status, told.reason) == (S.NEEDS_PERSON, Reason.AFTER_RESTORE)
    assert number in told.last_error


def test_called_off_after_a_person_said_that_nothing_was_bought_tells_nothing(shop):
    order, _number = left_to_a_person(shop)
    shop.supplier.set_good(int(shop.products[0].article), quantity=0)
    deciding.buy(step_of(order), actor="anna")
    shop._process()
    assert step_of(order).is_stuck
    shop.kaspi.happen(order.code, "buyer-cancel")
    shop.work()
    assert not order.steps.filter(kind=Step.Kind.CHECK).exists()


def test_what_a_person_says_was_bought_may_have_been_shipped_since(shop):
    order, number = left_to_a_person(shop)
    shop.supplier.set_order(int(number), "P")
    deciding.were_bought([step_of(order)], number, actor="anna")
    shop._process()
    assert order.reservations.get().status == R.HELD
    tasks.follow_supplier()
    assert order.reservations.get().status == R.SHIPPED
    assert not Step.objects.stuck().exists()


def test_an_emptied_database_finds_everything_again(shop, references):
    for place in range(3):
        shop.order(place)
    shop.work()
    shop.empty()
    shop.stock_up()
    shop.work()
    assert Epoch.objects.get().guarded_for == Epoch.Reason.EMPTIED
    result = shop.recover()
    assert len(result.adopted) == 3
    assert result.is_lifted
    shop.work()
    shop.judge()
    assert Reservation.objects.filter(status=R.HELD).count() == 3


def test_a_copy_waits_for_the_word_that_no_other_bridge_is_at_work(shop, monkeypatch):
    shop.order(0)
    shop.work()
    backup = shop.back_up()
    monkeypatch.setattr(epoch, "hardware", lambda: ("another card",))
    shop.restore(backup)
    shop.order(1)
    shop.work()
    assert Epoch.objects.get().guarded_for == Epoch.Reason.MOVED
    assert not shop.recover().is_lifted
    assert len(shop.supplier.all_orders()) == 1
    epoch.confirm(by="anna")
    assert shop.recover().doubtful != []
    assert Epoch.objects.get().lifted_by == "anna"


def test_nothing_is_concluded_before_what_was_bought_last_is_listed(shop, monkeypatch):
    monkeypatch.setattr(running, "LISTED_BY", timedelta(minutes=25))
    LearnedFact.objects.all().delete()
    know_supplier(listed_after_s="600")
    backup = shop.back_up()
    shop.order(0)
    shop.work()
    (bought,) = shop.supplier.all_orders()
    hidden = shop.supplier.orders.orders.pop(bought.id)
    shop.restore(backup)
    LearnedFact.objects.filter(name="listed_after_s").update(value="600")
    result = shop.recover()
    assert not result.is_lifted
    assert step_of(Order.objects.get()).status == S.PENDING
    shop.supplier.orders.orders[hidden.id] = hidden
    assert shop.recover().is_lifted
    shop.work()
    shop.judge()


def test_a_book_that_cannot_be_read_keeps_the_guard_closed(shop):
    backup = shop.back_up()
    shop.order(0)
    shop.work()
    shop.restore(backup)
    shop.work()
    shop.kaspi.faults.add("status", code=503)
    assert not shop.recover().is_lifted
    shop.kaspi.faults.clear()
    assert shop.recover().is_lifted


def test_the_command_shows_first_and_writes_then(shop, capsys):
    backup = shop.back_up()
    shop.order(0)
    shop.work()
    shop.restore(backup)
    shop.work()
    call_command("reconcile", dry_run=True)
    assert "1 found at Al-Style" in capsys.readouterr().out
    assert Epoch.objects.get().is_guarded
    assert not Purchase.objects.exists()
    call_command("reconcile")
    assert not Epoch.objects.get().is_guarded


def test_the_task_recovers_by_itself_and_the_reconciler_keeps_out(shop):
    backup = shop.back_up()
    shop.order(0)
    shop.work()
    shop.restore(backup)
    shop.work()
    assert tasks.reconcile() == tasks.reconcile_with_peers()
    assert "1 found" in tasks.recover()
    assert tasks.recover() == "nothing to be reconciled"


# -- a first start, and a second one that knows nothing of the first ----------------


@pytest.fixture
def beginning(shop, mark):
    """Both the database and its mark are gone."""

    def begin() -> None:
        shop.empty()
        mark.unlink(missing_ok=True)
        shop.stock_up()
        tasks.poll_orders()
        tasks.refresh_orders()

    return begin


def test_a_first_start_is_held_back_no_longer_than_the_books_are_read(shop, beginning):
    shop.order(0)
    beginning()
    assert Epoch.objects.get().guarded_for == Epoch.Reason.BEGINNING
    assert shop.recover().is_lifted
    shop.work()
    shop.judge()
    tasks.poll_orders()
    assert not epoch.is_guarded()


def test_begun_anew_what_was_bought_and_accepted_is_found_by_its_code(shop, beginning):
    shop.supplier.change_settings(shows_external_id=True, shows_comments=True)
    shop.order(0)
    shop.order(1)
    shop.work()
    beginning()
    shop.order(2)
    assert not shop.recover().is_lifted
    # Whoever bought for them a moment ago may be at it still.
    assert Epoch.objects.get().needs_word
    epoch.confirm(by="anna")
    result = shop.recover()
    assert len(result.adopted) == 2
    assert result.is_lifted
    tasks.poll_orders()
    shop.work()
    shop.judge()


def test_begun_anew_a_new_order_that_may_be_bought_waits_for_a_person(
    shop, beginning, settings
):
    settings.AUTO_ACCEPT = False
    shop.supplier.change_settings(shows_external_id=False, shows_comments=False)
    shop.order(0)
    shop.work()
    settings.AUTO_ACCEPT = True
    beginning()
    know_supplier()
    assert len(shop.recover().doubtful) == 1
    shop.work()
    assert shop.audit.served_twice == []
    assert step_of(Order.objects.get()).reason == Reason.AFTER_RESTORE


def test_an_upgraded_bridge_does_not_begin_anew(shop, mark):
    shop.order(0)
    shop.work()
    mark.unlink()
    Epoch.objects.all().delete()
    epoch.forget()
    tasks.poll_orders()
    assert not epoch.is_guarded()
