"""Changes that staff see with their effect before they are saved, and save as seen."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any, TypeAlias

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.db import IntegrityError, transaction
from django.db.models import Field, Model
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _

from backoffice.histories import ADDED, CHANGED, DELETED, keep, keep_before
from backoffice.pages import log_many
from catalog.commissions import vouched_by
from catalog.models import Category, CommissionRate, PriceRule, Product
from catalog.rules import load_rules
from feeds.foreseeing import Edits
from feeds.models import Proposal, Store
from plumbing.queue import enqueue
from plumbing.rows import update_rows

Table = Proposal.Table
MODELS: dict[str, type[Model]] = {
    Table.PRODUCTS: Product,
    Table.CATEGORIES: Category,
    Table.RULES: PriceRule,
    Table.COMMISSIONS: CommissionRate,
    Table.STORES: Store,
}
# "new-1" and so on name the rows that would be added.
NEW = "new-"
# No row has such a primary key yet; of equal rules the oldest wins.
BEYOND = 1 << 60
KEYS_AT_ONCE = 500
# Of these the price list knows nothing.
UNSEEN = {"note", "shelf"}
LOGGED_SINGLY = 50

# What a row's fields become, by their names; None instead deletes the row.
Wanted: TypeAlias = "Mapping[str, Any] | None"


class Overtaken(Exception):
    """What was shown is not what would be saved; the message says why."""


def propose(
    *,
    table: str,
    title: str,
    author_pk: int,
    wanted: Mapping[Any, Wanted],
    now: datetime,
    errors: Sequence[Sequence[Any]] = (),
    back_url: str = "",
) -> Proposal | None:
    """Keep what somebody wants to save, as far as it differs from what is stored.

    Returns None when there is nothing to save and nothing to complain of.
    """
    changes = _changes(table, wanted)
    if not changes and not errors:
        return None
    return Proposal.objects.create(
        table=table,
        title=title[:200],
        author_id=author_pk,
        made_at=now,
        changes=changes,
        errors=list(errors),
        back_url=back_url,
    )


def renew(proposal: Proposal) -> None:
    """Compare anew with what is stored: somebody else was there meanwhile."""
    wanted: dict[int | str, Wanted] = {
        key: None if fields is None else wanted_of(proposal, fields)
        for key, fields in proposal.changes.items()
    }
    proposal.changes = _changes(proposal.table, wanted)
    proposal.save(update_fields=["changes"])


def wanted_of(proposal: Proposal, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Give the new values of one row as its model holds them."""
    by_name = _fields(MODELS[proposal.table])
    return {name: by_name[name].to_python(new) for name, (_old, new) in fields.items()}


def edits_of(proposal: Proposal) -> Edits:
    """Give the proposal as the decisions about prices and offers take it."""
    if proposal.table == Table.PRODUCTS:
        products = {
            int(pk): wanted_of(proposal, fields)
            for pk, fields in proposal.changes.items()
        }
        return Edits(products=products)
    if proposal.table == Table.CATEGORIES:
        sold = {
            int(pk): bool(fields["is_published"][1])
            for pk, fields in proposal.changes.items()
        }
        return Edits(sold=sold)
    if proposal.table == Table.RULES:
        before, after = _both_sides(proposal)
        return Edits(rules_before=before, rules_after=after)
    if proposal.table == Table.COMMISSIONS:
        before, after = _both_sides(proposal)
        return Edits(rates_before=before, rates_after=after)
    return Edits()


def points_of(proposal: Proposal) -> tuple[list[Store], list[Store]]:
    """Give all points of sale as they are, and as they would be."""
    changed, after = _both_sides(proposal)
    stored = list(Store.objects.order_by("store_id"))
    touched = {store.pk for store in changed}
    kept = [store for store in stored if store.pk not in touched]
    return stored, sorted([*kept, *after], key=lambda store: str(store.store_id))


def _both_sides(proposal: Proposal) -> tuple[list[Any], list[Any]]:
    """Give the rows as they are, and unsaved ones as they would be."""
    model = MODELS[proposal.table]
    names = [field.attname for field in model._meta.concrete_fields]
    before, after = _stored(model, proposal.changes), []
    for number, (key, fields) in enumerate(proposal.changes.items()):
        if fields is None:
            continue
        if key.startswith(NEW):
            row: Any = model(pk=BEYOND + number)
        elif (stored := before.get(int(key))) is not None:
            row = model.from_db("default", names, [getattr(stored, n) for n in names])
        else:
            continue
        _set(row, wanted_of(proposal, fields))
        after.append(row)
    return list(before.values()), after


def seal(proposal: Proposal, *, warned: bool) -> str:
    """Sign just what was shown: the values, and the rules and choices they met."""
    shown = [proposal.pk, proposal.author_id, proposal.table, proposal.changes]
    return seal_shown(shown, warned=warned)


def seal_shown(shown: Sequence[Any], *, warned: bool) -> str:
    """Sign values that were shown, with the rules and choices that they met."""
    sold = sorted(Category.objects.sold().values_list("pk", flat=True))
    text = json.dumps([*shown, load_rules().digest, sold, warned], sort_keys=True)
    return salted_hmac("feeds.proposals", text, algorithm="sha256").hexdigest()


def is_sealed(proposal: Proposal, sealed: str, *, warned: bool) -> bool:
    return constant_time_compare(sealed, seal(proposal, warned=warned))


def save(
    proposal: Proposal, *, now: datetime, chosen: Collection[str] | None = None
) -> int:
    """Save what was proposed, all or the chosen rows, and return how many rows.

    Raises `Overtaken` when what is stored is not any more what was compared with.
    """
    try:
        with transaction.atomic():
            open_ones = Proposal.objects.select_for_update().filter(saved_at=None)
            # Read, not only asked for: it is the reading that locks.
            if open_ones.filter(pk=proposal.pk).first() is None:
                raise Overtaken(_("This was saved already."))
            changes = {
                key: fields
                for key, fields in proposal.changes.items()
                if chosen is None or key in chosen
            }
            saved = _save(proposal, changes, now=now)
            Proposal.objects.filter(pk=proposal.pk).update(saved_at=now)
            if any(f is None or set(f) - UNSEEN for f in changes.values()):
                enqueue("feeds.tasks.build_feed", cluster="imports")
                if proposal.table == Table.COMMISSIONS:
                    enqueue("orders.tasks.recount_money", cluster="imports")
            return saved
    except IntegrityError as error:
        if "unique" not in str(error).lower():
            raise
        words = _("Another row has such a value already: %(error)s")
        raise Overtaken(words % {"error": error}) from error


def _save(proposal: Proposal, changes: Mapping[str, Any], *, now: datetime) -> int:
    model = MODELS[proposal.table]
    stored = _stored(model, changes, lock=True)
    _require_as_shown(changes, stored)
    vouched: dict[str, Any] = {}
    if model is CommissionRate:
        vouched = vouched_by(proposal.author, now=now)
    keep_before(list(stored.values()), now=now)
    noted: dict[str, list[Model]] = defaultdict(list)
    updates: dict[tuple[str, ...], list[tuple[Any, ...]]] = defaultdict(list)
    for key, fields in changes.items():
        if key.startswith(NEW):
            added = model()
            _set(added, wanted_of(proposal, fields) | vouched)
            added.save_without_historical_record()  # type: ignore[attr-defined]
            noted[ADDED].append(added)
            continue
        row = stored[int(key)]
        if fields is None:
            noted[DELETED].append(row)
            continue
        wanted = wanted_of(proposal, fields) | vouched
        _set(row, wanted)
        if model is Product and Product.PRICED_FIELDS & set(wanted):
            wanted["priced_with"] = ""
        names = tuple(sorted(wanted))
        updates[names].append((*(wanted[name] for name in names), row.pk))
        noted[CHANGED].append(row)
    for names, rows in updates.items():
        update_rows(model, names, rows)
    for kind, objects in noted.items():
        _log(proposal, objects, kind=kind)
        if kind != DELETED:
            keep(
                objects,
                kind=kind,
                user_pk=proposal.author_id,
                reason=proposal.title,
                now=now,
            )
    for row in noted[DELETED]:
        # Its own history notes that it is gone.
        row._change_reason = proposal.title  # type: ignore[attr-defined]
        row._history_user = proposal.author  # type: ignore[attr-defined]
        row.delete()
    return sum(map(len, noted.values()))


def _require_as_shown(changes: Mapping[str, Any], stored: Mapping[int, Model]) -> None:
    for key, fields in changes.items():
        if key.startswith(NEW):
            continue
        row = stored.get(int(key))
        if row is None:
            raise Overtaken(_("Somebody deleted it meanwhile."))
        by_name = _fields(type(row))
        for name, (was, _will) in (fields or {}).items():
            if _plain(by_name[name], row) != was:
                words = _("Somebody changed it meanwhile: %(row)s.")
                raise Overtaken(words % {"row": row})


def _changes(
    table: str, wanted: Mapping[Any, Wanted]
) -> dict[str, dict[str, list[Any]] | None]:
    """Lay what is wanted beside what is stored; what does not differ is left out."""
    model = MODELS[table]
    stored = _stored(model, [str(key) for key in wanted])
    by_name = _fields(model)
    found: dict[str, dict[str, list[Any]] | None] = {}
    for key, fields in wanted.items():
        is_new = str(key).startswith(NEW)
        row = None if is_new else stored.get(int(key))
        if row is None and not is_new:
            continue
        if fields is None:
            found[str(key)] = None
            continue
        changed = {}
        for name, value in fields.items():
            field = by_name[name]
            old = None if row is None else _plain(field, row)
            new = _as_plain(field, value)
            if row is None or old != new:
                changed[name] = [old, new]
        if changed:
            found[str(key)] = changed
    return found


def _stored(
    model: type[Model], keys: Collection[str], *, lock: bool = False
) -> dict[int, Any]:
    pks = sorted(int(key) for key in keys if not key.startswith(NEW))
    rows = model._default_manager.order_by("pk")
    if lock:
        rows = rows.select_for_update()
    found: dict[int, Any] = {}
    for start in range(0, len(pks), KEYS_AT_ONCE):
        some = rows.filter(pk__in=pks[start : start + KEYS_AT_ONCE])
        found.update((row.pk, row) for row in some)
    return found


def _fields(model: type[Model]) -> dict[str, Field[Any, Any]]:
    return {field.name: field for field in model._meta.concrete_fields}


def _set(row: Model, values: Mapping[str, Any]) -> None:
    by_name = _fields(type(row))
    for name, value in values.items():
        setattr(row, by_name[name].attname, value)


def _plain(field: Field[Any, Any], row: Model) -> Any:
    return _as_plain(field, getattr(row, field.attname))


def _as_plain(field: Field[Any, Any], value: Any) -> Any:
    """Write a value as JSON holds it, alike whether it was typed, read or stored."""
    if isinstance(value, Model):
        value = value.pk
    value = field.get_prep_value(field.to_python(value))
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).replace(microsecond=0).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        places = getattr(field, "decimal_places", 2)
        return str(value.quantize(Decimal(1).scaleb(-places)))
    return value


def _log(proposal: Proposal, rows: Sequence[Model], *, kind: str) -> None:
    """Note it in the admin's log: each row, or all at once when they are many."""
    flag = {ADDED: ADDITION, CHANGED: CHANGE, DELETED: DELETION}[kind]
    some = list(rows[: LOGGED_SINGLY + 1])
    if len(some) > LOGGED_SINGLY:
        log_many(proposal.author_id, type(rows[0]), f"{proposal.title} ({len(rows)})")
    elif some:
        LogEntry.objects.log_actions(
            user_id=proposal.author_id,
            queryset=some,
            action_flag=flag,
            change_message=proposal.title,
        )
