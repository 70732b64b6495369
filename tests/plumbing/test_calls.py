"""Calls are counted for all processes together, and no id gets into a name."""

from __future__ import annotations

import logging

import pytest
from django.db import DatabaseError

from catalog.alstyle.client import open_client
from orders.kaspi.client import open_client as open_kaspi
from plumbing import calls
from plumbing.calls import CallJournal, method_of
from plumbing.models import CallCount
from plumbing.peers import PeerError

pytestmark = pytest.mark.django_db


def count(**names) -> int:
    return sum(CallCount.objects.filter(**names).values_list("calls", flat=True))


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("api/quantity-price", "GET api/quantity-price"),
        ("v2/orders/MTIzNDU2/entries", "GET v2/orders/*/entries"),
        ("v2/masterproducts/abc%3D%3D/merchantProduct?x=77011234567", None),
        ("v2/orders/" + "a" * 40, "GET v2/orders/*"),
        ("x/77011234567", "GET x/*"),
    ],
)
def test_a_method_is_named_without_what_it_was_about(path, method):
    named = method_of("GET", path)
    assert named == (method or "GET v2/masterproducts/*/merchantProduct")


def test_calls_of_both_peers_are_counted_by_method_and_outcome(alstyle, kaspi):
    with open_client() as client:
        client.date()
        client.date()
        client.categories()
    with open_kaspi().peer as peer, pytest.raises(PeerError):
        peer.read("v2/nothing-here")
    assert count(peer="alstyle", method="GET api/date", outcome="ok") == 2
    assert count(peer="alstyle", method="GET api/categories", outcome="ok") == 1
    assert count(peer="kaspi", outcome="refused") == 1


def test_a_peer_that_is_away_is_counted_as_such(settings):
    settings.ALSTYLE_URL, settings.PEER_BACKOFF_S = "http://127.0.0.1:9", "0"
    with open_client() as client, pytest.raises(PeerError):
        client.date()
    assert count(peer="alstyle", outcome="lost") == 4
    with open_client().peer as peer, pytest.raises(PeerError):
        peer.write("POST", "cart-api/submit")
    # Nobody was there to hear it: its outcome is known.
    assert count(outcome="unknown") == 0


def test_counts_wait_for_a_database_that_is_away(monkeypatch):
    journal = CallJournal()

    def gone(_sums):
        raise DatabaseError("gone")

    journal.note("Al-Style", "GET api/date", "ok", seconds=0.2, waited_s=1.5)
    with monkeypatch.context() as patch:
        patch.setattr(calls, "_add_to_rows", gone)
        journal.add()
    journal.note("Al-Style", "GET api/date", "ok", seconds=0.2, waited_s=1.5)
    journal.add()
    journal.add()
    row = CallCount.objects.get()
    assert (row.calls, row.under_ms, row.waited_s) == (2, 250, 3.0)


@pytest.mark.django_db(transaction=True)
def test_processes_add_to_the_same_rows(in_threads):
    def call() -> None:
        journal = CallJournal()
        for _ in range(20):
            journal.note("Kaspi", "GET v2/orders", "ok", seconds=70, waited_s=0)
            journal.add()

    assert in_threads([call] * 4) == [None] * 4
    row = CallCount.objects.get()
    assert (row.calls, row.under_ms) == (80, 0)


def test_each_call_is_written_down(alstyle, caplog, monkeypatch):
    log = logging.getLogger("plumbing.calls")
    monkeypatch.setattr(log, "handlers", [caplog.handler])
    with open_client() as client:
        client.date()
    assert "Al-Style, GET api/date: ok in 0." in caplog.text
