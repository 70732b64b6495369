"""Databases of earlier versions: what was in doubt there is still in doubt here."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

pytestmark = pytest.mark.django_db(transaction=True)
BEFORE = ("orders", "0002_name_supplier_account")
AFTER = ("orders", "0005_forget_cart_state")


@pytest.fixture
def before():
    """The models as they were, on a database migrated back to them."""
    executor = MigrationExecutor(connection)
    leaves = executor.loader.graph.leaf_nodes()
    executor.migrate([BEFORE])
    yield executor.loader.project_state([BEFORE, ("catalog", _leaf("catalog"))]).apps
    executor = MigrationExecutor(connection)
    executor.migrate(leaves)


def _leaf(app: str) -> str:
    (leaf,) = MigrationExecutor(connection).loader.graph.leaf_nodes(app)
    return str(leaf[1])


def migrate():
    executor = MigrationExecutor(connection)
    executor.migrate([AFTER])
    return MigrationExecutor(connection).loader.project_state([AFTER]).apps


def begin(apps, code: str, **step_fields):
    now = timezone.now()
    product, _is_new = apps.get_model("catalog", "Product").objects.get_or_create(
        article="70311",
        defaults={"sku": "70311", "first_seen": now, "last_seen": now},
    )
    order = apps.get_model("orders", "Order").objects.create(
        kaspi_id=code, code=code, created_at=now, first_seen=now, last_seen=now
    )
    reservation = apps.get_model("orders", "Reservation").objects.create(
        order=order, created_at=now
    )
    reservation.lines.create(product=product, quantity=2)
    return apps.get_model("orders", "Step").objects.create(
        order=order,
        peer="alstyle",
        kind="reserve",
        not_before=now,
        created_at=now,
        **step_fields,
    )


def in_doubt(**fields):
    sent = {"phase": "submit", "lines": [["70311", 2]], "sum": 2000}
    return {"status": "unknown", "sent": sent, "sent_at": timezone.now(), **fields}


def test_a_submit_in_doubt_becomes_a_purchase_to_settle(before):
    begin(before, "1", **in_doubt())
    purchase = migrate().get_model("orders", "Purchase").objects.get()
    assert (purchase.status, purchase.reference) == ("submitting", "1")
    assert (purchase.lines, purchase.sum_kzt) == ([["70311", 2, None]], 2000)
    assert len(purchase.submits) == 1
    assert purchase.reservations.get().order.code == "1"


def test_candidates_wait_for_a_person_as_before(before):
    found = [{"id": "412001", "sum": 2000, "placed_at": None, "lines": []}]
    begin(before, "1", **in_doubt())
    begin(
        before,
        "2",
        **in_doubt(status="needs_person", answered={"candidates": found}),
    )
    purchases = migrate().get_model("orders", "Purchase").objects
    assert purchases.get(reference="2").candidates == found
    statuses = purchases.order_by("reference").values_list("status", flat=True)
    assert list(statuses) == ["submitting", "needs_person"]


def test_rows_left_in_the_cart_stay_known_as_ours(before):
    before.get_model("orders", "CartState").objects.create(
        name="alstyle", ours={"70311": 2}
    )
    begin(before, "1", status="pending")
    purchase = migrate().get_model("orders", "Purchase").objects.get()
    assert (purchase.status, purchase.lines) == ("filling", [["70311", 2, None]])


def test_what_is_settled_begins_no_purchase(before):
    begin(before, "1", **in_doubt(status="done"))
    begin(before, "2", status="pending")
    assert not migrate().get_model("orders", "Purchase").objects.exists()
