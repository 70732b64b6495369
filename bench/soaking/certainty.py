"""Judges what a lost answer came to, under a supplier who may be like anything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bench.soaking.buyers import UNKNOWN_SKU
from bench.soaking.judging import Report
from bench.soaking.waits import Told, Waits
from sandbox import AlStyleServer, KaspiServer
from sandbox.audit import audit, owners_of

RESERVE, RELEASE = "reserve", "release"


def judge_certainty(
    report: Report,
    supplier: AlStyleServer,
    kaspi: KaspiServer,
    waits: Waits,
    *,
    cut: set[str],
) -> None:
    """Count the promises; what a person was told of is said, and no promise broken."""
    supplied, sold = supplier.book(), kaspi.book()
    codes = {order["code"] for order in sold}
    found = audit(supplied, sold, multiple_of=lambda a: _multiple(supplier, a))
    owners = {str(made["id"]): owners_of(made, codes) for made in supplied}
    _say_submits(report, supplier)
    report.say("orders with exactly one live supplier order", found.served_once)
    report.promise("bought twice", found.served_twice)
    report.promise("accepted without a living order", found.accepted_unserved)
    _sort(report, "not bought", found.unserved, waits, owners)
    _sort(report, "unreleased", found.unreleased, waits, owners)
    _sort(report, "with other goods", found.wrong_lines, waits, owners)
    nobodys = [*_unowned(supplied), *found.owned_by_nobody]
    _sort(report, "of nobody", nobodys, waits, owners)
    _judge_foreign(report, supplier, waits, owners)
    report.promise("others' orders taken for ours", _taken(supplied))
    report.promise("others' orders cancelled", _others_cancelled(supplied))
    report.promise(
        "waited unseen", [f"{code}: {why}" for code, why in waits.unseen.items()]
    )
    along = {c for made in supplied if made["foreign"] for c in owners[str(made["id"])]}
    _say_people(report, supplier, sold, waits, expected=cut | along)


def _say_submits(report: Report, supplier: AlStyleServer) -> None:
    submits = supplier.calls("submit")
    lost = [call for call in submits if not call.status or call.status >= 500]
    report.say("submits", len(submits))
    report.say("  lost, carried out", sum(1 for call in lost if call.worked))
    report.say("  lost, not carried out", sum(1 for call in lost if not call.worked))


def _sort(
    report: Report,
    words: str,
    found: Iterable[str],
    waits: Waits,
    owners: dict[str, list[str]],
) -> None:
    """Part what a person was told of from what nobody knows; codes or numbers."""
    every = list(dict.fromkeys(found))
    unknown = [
        one
        for one in every
        if not any(waits.words(code) for code in owners.get(one, [one]))
    ]
    report.say(f"{words}, a person told", len(every) - len(unknown))
    report.promise(f"{words}, nobody told", unknown)


def _judge_foreign(
    report: Report,
    supplier: AlStyleServer,
    waits: Waits,
    owners: dict[str, list[str]],
) -> None:
    """What no reading has shown cannot be spared; what went along must be told."""
    touched = supplier.cart.foreign_touched
    along = [touch for touch in touched if touch["by"] == "submit"]
    changed = [touch for touch in touched if touch["by"] != "submit"]
    unspared = [touch for touch in changed if not touch["seen"]]
    report.say("a manager's rows and orders", str(supplier.others.visits))
    report.say("his pieces changed between two readings", len(unspared))
    report.promise(
        "his pieces changed though read",
        [f"{t['by']} {t['article']}" for t in changed if t["seen"]],
    )
    numbers = [str(touch["order"]) for touch in along]
    _sort(report, "his pieces ordered", numbers, waits, owners)


def _taken(supplied: list[dict[str, Any]]) -> list[str]:
    ours = _owned_numbers()
    return [
        str(made["id"])
        for made in supplied
        if made["by"] != "api" and ours & {str(made["id"]), made["long_id"]}
    ]


def _unowned(supplied: list[dict[str, Any]]) -> list[str]:
    ours = _owned_numbers()
    return [
        str(made["id"])
        for made in supplied
        if made["live"]
        and made["by"] == "api"
        and not ours & {str(made["id"]), made["long_id"]}
    ]


def _owned_numbers() -> set[str]:
    from orders.models import Reservation

    status = Reservation.Status
    held = (status.HELD, status.RELEASING, status.SHIPPED)
    owned = Reservation.objects.filter(status__in=held)
    numbers = owned.values_list("supplier_order__supplier_order_id", flat=True)
    return {str(number) for number in numbers}


def _others_cancelled(supplied: list[dict[str, Any]]) -> list[str]:
    others = (made for made in supplied if made["by"] != "api")
    return [str(made["id"]) for made in others if made["cancel_asked"]]


def _say_people(
    report: Report,
    supplier: AlStyleServer,
    sold: list[dict[str, Any]],
    waits: Waits,
    *,
    expected: set[str],
) -> None:
    """Say how many orders needed a person, and how many of them for want of certainty.

    `expected`: lines cut and a manager's goods along, for which one is needed anyhow.
    """
    for_goods, for_doubt = list[str](), list[str]()
    for_waiting, for_others = list[str](), list[str]()
    waited = _codes_that_waited()
    for order in sold:
        told = waits.told.get(order["code"])
        if told is None:
            continue
        reserve = told.get(RESERVE)
        if reserve is not None and _is_about_goods(supplier, order, reserve):
            for_goods.append(order["code"])
        elif order["code"] in expected:
            for_others.append(order["code"])
        elif not {RESERVE, RELEASE} & told.keys():
            # Behind a cart that was not free, if not for something else.
            by = for_waiting if order["code"] in waited else for_others
            by.append(order["code"])
        else:
            for_doubt.append(order["code"])
    report.say("needed a person: no goods", len(for_goods))
    report.say("needed a person: cut, gone along, Kaspi", len(for_others))
    report.say("needed a person: doubt", len(for_doubt))
    report.say("needed a person: waited too long", len(for_waiting))
    uncertain = for_doubt + for_waiting
    share = 100 * len(uncertain) / max(len(sold), 1)
    report.say("needed a person: doubt or waiting, %", round(share))
    reasons: dict[str, int] = {}
    for code in uncertain:
        text = _without_numbers(waits.words(code))
        reasons[text] = reasons.get(text, 0) + 1
    for text, number in sorted(reasons.items(), key=lambda item: -item[1])[:5]:
        report.say(f"    {text[:90]}", number)


def _codes_that_waited() -> set[str | None]:
    from orders.models import Finding

    late = Finding.objects.filter(kind=Finding.Kind.TOO_LONG)
    return set(late.values_list("order__code", flat=True))


def _is_about_goods(supplier: AlStyleServer, order: dict[str, Any], told: Told) -> bool:
    for entry in order["entries"]:
        article, wanted = int(entry["sku"]), entry["quantity"]
        if entry["sku"] == UNKNOWN_SKU or wanted % _multiple(supplier, article):
            return True
        # Some refusals name no reason: whether there is enough, the books know.
        if supplier.free(article) < wanted:
            return True
    return told.is_about_goods


def _multiple(supplier: AlStyleServer, article: int) -> int:
    good = supplier.goods.get(article)
    return (good.multiplicity if good is not None else None) or 1


def _without_numbers(text: str) -> str:
    return "".join("#" if letter.isdigit() else letter for letter in text)
