"""The page of contradictions."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from orders.models import Finding, Order, OrderEvent, Step
from orders.reconciling.contradictions import Contradiction
from orders.reconciling.raising import Reconciled, keep
from tests.orders.factories import make_order, make_product
from tests.staff import HOSTILE, log_in, messages_of, page, queued

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/admin/orders/finding/"


@pytest.fixture
def order():
    return make_order((make_product("70311"), 1))


def tell(order: Order | None, text: str = HOSTILE, **facts: object) -> Finding:
    one = Contradiction(
        kind=Finding.Kind.NOBODYS,
        subject="Al-Style 412001",
        text=text,
        facts=facts,
        order=order,
    )
    now, among = timezone.now(), Finding.objects.all()
    keep([one], among=among, now=now, result=Reconciled())
    return Finding.objects.latest("pk")


def urls_of(finding: Finding) -> tuple[str, str]:
    return (
        reverse("admin:orders_finding_change", args=[finding.pk]),
        reverse("admin:accept_finding", args=[finding.pk]),
    )


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("role", ["viewer", "operator", "owner"])
def test_the_pages_open_and_escape(settings, order, role, language):
    client = log_in(settings, role, language=language)
    finding = tell(order)
    own, _right = urls_of(finding)
    for url in (LIST, f"{LIST}?status=all", f"{LIST}?status=accepted", own):
        html = page(client, url)
        assert HOSTILE not in html
        assert "alert('x')" not in html
    assert order.code in page(client, LIST)
    assert order.code not in page(client, f"{LIST}?status=settled")


def test_a_finding_of_no_order_opens_too(settings):
    client = log_in(settings, "viewer")
    own, _right = urls_of(tell(None))
    assert "412001" in page(client, own)
    assert "nobody" in page(client, LIST)


def test_what_is_right_so_is_closed_with_a_note(settings, order):
    client = log_in(settings, "operator")
    finding = tell(order, number="412001")
    own, right = urls_of(finding)
    assert "Seen, it is right so" in page(client, own)
    assert "alert('x')" not in page(client, right)
    client.post(right, {"note": "our manager's", "answered": "1"})
    finding.refresh_from_db()
    assert (finding.status, finding.closed_by, finding.note) == (
        Finding.Status.ACCEPTED,
        "operator",
        "our manager's",
    )
    assert OrderEvent.objects.filter(order=order, actor="operator").exists()
    assert not order.steps.of_kind(Step.Kind.CHECK).open().exists()
    assert "right so…" not in page(client, own)
    assert tell(order, number="412001") == finding
    assert tell(order, number="412001", sum=5) != finding
    again = client.post(right, {"note": "our manager's", "answered": "1"}, follow=True)
    assert "not possible" in messages_of(again)


def test_looking_again_is_queued(settings, order):
    client = log_in(settings, "operator")
    tell(order)
    client.post(reverse("admin:look_for_findings"))
    assert queued() == ["orders.tasks.reconcile", "orders.tasks.reconcile_with_peers"]


def test_who_only_looks_changes_nothing(settings, order):
    client = log_in(settings, "viewer")
    finding = tell(order)
    own, right = urls_of(finding)
    assert "accept_finding" not in page(client, own)
    assert client.post(right, {"note": "fine by me"}).status_code == 403
    assert client.post(reverse("admin:look_for_findings")).status_code == 403
