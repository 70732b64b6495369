"""Brings in goods that the stock list names, before the nightly crawl finds them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from itertools import count

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.utils.translation import gettext as _

from catalog.alstyle.client import AlStyleClient
from catalog.alstyle.schema import Element, Problem
from catalog.comparing import compare_named
from catalog.import_runs import ImportSession, summarize, take_writing_lease
from catalog.models import Category, ImportRun, Product
from catalog.writing import write_differences
from plumbing.leases import LeaseLost, LeaseTaken
from plumbing.peers import PeerError
from plumbing.queue import enqueue

log = logging.getLogger(__name__)

# A list of this many fits into any address; more would not come in one answer.
ASKED_AT_ONCE = 100
# Five turns of the supplier's clock; what is left comes with the imports that follow.
ASKED_PER_IMPORT = 500


def read_new_articles(
    client: AlStyleClient, session: ImportSession, strangers: frozenset[str]
) -> None:
    """Read the goods that the stock list named and that are not in the catalogue here.

    The stock is stored by now: whatever fails is left to the next import. Articles
    that Al-Style's catalogue does not give are asked for again after the next crawl.
    """
    run = session.run
    if not strangers or not Product.objects.exists():
        # Before the first crawl everything would be new.
        return
    known = _unlisted_before(run) & strangers
    waiting = sorted(strangers - known)[:ASKED_PER_IMPORT]
    elements: dict[str, Element] = {}
    unsound: dict[str, list[str]] = {}
    asked: list[str] = []
    for start in range(0, len(waiting), ASKED_AT_ONCE):
        chunk = waiting[start : start + ASKED_AT_ONCE]
        try:
            found = client.element_info(chunk)
        except PeerError as error:
            log.warning("%s", error)
            break
        asked += chunk
        session.note(found.problems)
        wanted = set(chunk)
        elements.update((e.article, e) for e in found.rows if e.article in wanted)
        unsound |= found.unsound
    if elements:
        try:
            _store(session, elements, unsound)
        except (LeaseTaken, LeaseLost) as error:
            log.warning("%s", error)
            return
    run.unlisted = sorted(known | (set(asked) - set(elements)))
    run.save(update_fields=["unlisted"])


def choose_skus(session: ImportSession, new: list[Element]) -> dict[str, str]:
    """Name new goods whose article somebody gave to another product as its SKU."""
    taken = _given_skus() if new else set()
    chosen: dict[str, str] = {}
    for article in (element.article for element in new if element.article in taken):
        numbered = (f"{article}-{number}" for number in count(2))
        sku = next(name for name in numbered if name not in taken)
        taken.add(sku)
        chosen[article] = sku
        claim = _("SKU %(article)s belongs to another product; this one got %(sku)s")
        session.note([Problem(article, claim % {"article": article, "sku": sku})])
    session.counts["sku_taken"] = len(chosen)
    return chosen


def _given_skus() -> set[str]:
    """Collect the SKUs that staff gave to products, also those taken back since.

    At Kaspi the card of such an SKU is still that product's.
    """
    mapped = Product.objects.order_by().exclude(sku=F("article"))
    own = Product.objects.filter(article=OuterRef("sku"))
    former = Product.history.order_by().filter(~Exists(own))
    return {
        *mapped.values_list("sku", flat=True),
        *former.values_list("sku", flat=True),
    }


def without_category(session: ImportSession, element: Element, article: str) -> Element:
    """Take a good out of a category that nobody knows."""
    session.counts["without_category"] += 1
    claim = _("category %(id)s is not in Al-Style's list of categories")
    session.note([Problem(article, claim % {"id": element.category})])
    return element._replace(category=None)


def _unlisted_before(run: ImportRun) -> set[str]:
    """Name what the catalogue did not give when it was asked last, no crawl since."""
    good = ImportRun.objects.good().exclude(pk=run.pk)
    last = good.filter(kind=ImportRun.Kind.STOCK).order_by("-started_at").first()
    if last is None:
        return set()
    crawls = good.filter(kind=ImportRun.Kind.CATALOGUE)
    if crawls.filter(started_at__gt=last.started_at).exists():
        return set()
    return set(last.unlisted)


def _store(
    session: ImportSession,
    elements: dict[str, Element],
    unsound: Mapping[str, Collection[str]],
) -> None:
    run = session.run
    categories = dict(Category.objects.values_list("supplier_id", "pk"))
    for article, element in elements.items():
        if element.category is not None and element.category not in categories:
            elements[article] = without_category(session, element, article)
    with take_writing_lease() as lease, transaction.atomic():
        lease.confirm()
        moment = session.now()
        found = compare_named(elements, unsound=unsound, now=moment)
        write_differences(
            found,
            run=run,
            now=moment,
            categories=categories,
            skus=choose_skus(session, found.new),
        )
        session.counts["new"] += len(found.new)
        session.counts["returned"] += found.returned
        session.counts["unknown"] -= len(found.new) + found.returned
        session.finish(ImportRun.Status.DONE, summarize(session.counts))
        for name in settings.TASKS_AFTER_CATALOGUE_CHANGE:
            enqueue(name, cluster="imports")
