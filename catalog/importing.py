"""Brings Al-Style's catalogue, stock and prices into the database."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.utils.translation import gettext as _

from catalog.alstyle.client import AlStyleClient
from catalog.alstyle.schema import CategoryList, Element, Problem, StockList
from catalog.branches import BranchDifferences, compare_branches, write_branches
from catalog.comparing import Differences, compare_elements, compare_stock
from catalog.crawling import Crawl, crawl_elements
from catalog.import_runs import (
    ImportRefused,
    ImportSession,
    open_import,
    take_writing_lease,
)
from catalog.models import ImportRun, ProductChange
from catalog.new_articles import choose_skus, read_new_articles, without_category
from catalog.tree import build_tree
from catalog.writing import touch_seen, write_differences
from plumbing.leases import LeaseHandle, database_now
from plumbing.models import Failure

# An import every ten minutes may have the same odd rows each time.
BAD_ROWS_KEPT_DAYS = 14


def import_catalogue(
    client: AlStyleClient,
    *,
    now: datetime | None = None,
    dry_run: bool = False,
    accept_shrunk: bool = False,
) -> ImportRun:
    """Read the whole catalogue and store the differences, or nothing.

    Raises `LeaseTaken` when another process does it. Faults of the peer and doubts
    about what came end as a failed run with the reason in `message`.
    """
    with open_import(
        ImportRun.Kind.CATALOGUE, dry_run=dry_run, accept_shrunk=accept_shrunk, now=now
    ) as session:
        listed = client.categories()
        crawl = crawl_elements(client)
        _check_readable(session, listed, crawl)
        with take_writing_lease() as lease:
            _store_catalogue(session, listed, crawl, lease=lease)
        session.note_supplier_date(client)
    return session.run


def is_catalogue_owed() -> bool:
    """Tell whether the last reading of the catalogue failed for want of an answer.

    What came and was refused waits for the next night or a person, and so does access.
    """
    runs = ImportRun.objects.real().filter(kind=ImportRun.Kind.CATALOGUE)
    last = runs.order_by("-started_at").first()
    return last is not None and last.failure in (Failure.DOWN, Failure.OTHER)


def stock_failed_lately(*, now: datetime) -> bool:
    """Tell whether the last reading of stock failed, and the next is not due yet."""
    runs = ImportRun.objects.real().ended().filter(kind=ImportRun.Kind.STOCK)
    last = runs.order_by("-started_at").first()
    every = timedelta(minutes=settings.SYNC_STOCK_EVERY_MIN)
    return last is not None and last.has_failed and now - last.started_at < every


def import_stock(
    client: AlStyleClient,
    *,
    now: datetime | None = None,
    dry_run: bool = False,
    accept_shrunk: bool = False,
) -> ImportRun:
    """Read stock and prices of all goods and store the differences, or nothing.

    Goods that are new in it are read, too. Raises `LeaseTaken` and fails as
    `import_catalogue` does.
    """
    with open_import(
        ImportRun.Kind.STOCK, dry_run=dry_run, accept_shrunk=accept_shrunk, now=now
    ) as session:
        listed = client.quantity_price()
        _check_stock_readable(session, listed)
        with take_writing_lease() as lease:
            found = compare_stock(listed, now=session.now())
            _count(session, found)
            _check_share(session, found, command="sync_stock")
            session.conclude(
                lambda: write_differences(found, run=session.run, now=session.now()),
                lease=lease,
                has_changes=bool(found),
            )
        session.note_supplier_date(client)
    if session.run.is_done and not dry_run:
        read_new_articles(client, session, found.strangers)
    return session.run


def delete_old_changes(*, now: datetime | None = None) -> tuple[int, int]:
    """Delete changes and imports older than the set time; return how many of each."""
    moment = now or database_now()
    oldest = moment - timedelta(days=settings.CHANGES_KEPT_DAYS)
    changes, _by_model = ProductChange.objects.filter(changed_at__lt=oldest).delete()
    runs, _by_model = ImportRun.objects.filter(started_at__lt=oldest).delete()
    with_details = ImportRun.objects.exclude(bad_rows=[])
    with_details.filter(
        started_at__lt=moment - timedelta(days=BAD_ROWS_KEPT_DAYS)
    ).update(bad_rows=[])
    return changes, runs


def _store_catalogue(
    session: ImportSession, listed: CategoryList, crawl: Crawl, *, lease: LeaseHandle
) -> None:
    branches = _compare_branches(session, listed)
    stock_runs = ImportRun.objects.good().filter(kind=ImportRun.Kind.STOCK)
    since = stock_runs.filter(finished_at__gte=session.run.started_at)
    session.run.kept_figures = since.exists()
    found = compare_elements(
        crawl,
        _placed(session, crawl, branches),
        now=session.now(),
        keep_figures=session.run.kept_figures,
        absent=frozenset() if session.accept_shrunk else crawl.absent,
    )
    _count(session, found)
    _refuse_lost(session, found)
    _check_share(session, found, command="sync_catalog")
    skus = choose_skus(session, found.new)

    def write() -> None:
        moment = session.now()
        categories = write_branches(branches, now=moment)
        write_differences(
            found, run=session.run, now=moment, categories=categories, skus=skus
        )
        touch_seen(now=moment)

    session.conclude(write, lease=lease, has_changes=bool(found or branches))


def _check_readable(session: ImportSession, listed: CategoryList, crawl: Crawl) -> None:
    session.note(listed.problems)
    session.note(crawl.problems)
    session.counts.update(
        read=crawl.came,
        pages=crawl.pages,
        passes=crawl.passes,
        bad=crawl.came - len(crawl.elements),
    )
    _refuse_empty(session, crawl.came)
    session.refuse_unless(
        (listed.came - len(listed.problems), listed.came),
        _(
            "Only %(part)d of %(whole)d categories could be read, %(share)d %% are "
            "needed; nothing was changed."
        ),
    )
    _refuse_unreadable(session, len(crawl.elements) - len(crawl.unsound), crawl.came)


def _check_stock_readable(session: ImportSession, listed: StockList) -> None:
    session.note(listed.problems)
    session.counts.update(read=listed.came, bad=listed.came - len(listed.rows))
    _refuse_empty(session, listed.came)
    _refuse_unreadable(session, len(listed.rows) - len(listed.unsound), listed.came)


def _refuse_empty(session: ImportSession, came: int) -> None:
    if not came and not session.accept_shrunk:
        raise ImportRefused(_("Al-Style listed no goods at all; nothing was changed."))


def _refuse_unreadable(session: ImportSession, sound: int, came: int) -> None:
    session.refuse_unless(
        (sound, came),
        _(
            "Only %(part)d of %(whole)d rows could be read in all that stock and "
            "prices rest on, %(share)d %% are needed; nothing was changed."
        ),
    )


def _refuse_lost(session: ImportSession, found: Differences) -> None:
    """Refuse when a field that many goods had came with none, and tell of few."""
    claim = _("came with no good; %(number)d that had it keep it")
    message = _(
        "“%(field)s” came with no good; only %(part)d of %(whole)d known goods had "
        "none, %(share)d %% are needed; nothing was changed. If Al-Style really "
        "dropped it, run: sync_catalog --accept-shrunk"
    )
    for name, number in found.lost.items():
        session.note([Problem("", f"{name}: {claim % {'number': number}}")])
        session.refuse_unless(
            (found.known - number, found.known),
            message.replace("%(field)s", name),
        )


def _check_share(session: ImportSession, found: Differences, *, command: str) -> None:
    message = _(
        "Only %(part)d of %(whole)d known goods came, %(share)d %% are needed; "
        "nothing was changed. If Al-Style really dropped them, run: %(command)s"
    )
    session.refuse_unless(
        (found.sound, found.known),
        message.replace("%(command)s", f"{command} --accept-shrunk"),
    )


def _compare_branches(
    session: ImportSession, listed: CategoryList
) -> BranchDifferences:
    nodes, problems = build_tree(listed.rows)
    session.note(problems)
    nameless = sum(not problem.key for problem in listed.problems)
    found = compare_branches(nodes, unsound=listed.unsound, nameless=nameless)
    session.counts.update(
        categories=len(nodes),
        categories_new=len(found.new),
        categories_changed=len(found.changed),
        categories_gone=len(found.gone),
    )
    session.refuse_unless(
        (found.sound, found.known),
        _(
            "Only %(part)d of %(whole)d known categories came, %(share)d %% are "
            "needed; nothing was changed. If Al-Style really dropped them, run: "
            "sync_catalog --accept-shrunk"
        ),
    )
    return found


def _placed(
    session: ImportSession, crawl: Crawl, branches: BranchDifferences
) -> dict[str, Element]:
    """Take goods out of categories that nobody knows."""
    elements = dict(crawl.elements)
    for article, element in crawl.elements.items():
        if element.category is not None and not branches.names(element.category):
            elements[article] = without_category(session, element, article)
    return elements


def _count(session: ImportSession, found: Differences) -> None:
    session.counts.update(
        known=found.known,
        new=len(found.new),
        changed=found.changed,
        gone=found.gone,
        returned=found.returned,
        absent=found.absent,
        unknown=found.unknown,
        flapping=found.flapping,
    )
