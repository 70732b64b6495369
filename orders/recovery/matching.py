"""Which of the supplier's orders was bought for which of ours; pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

# Dates are written in a zone that may not be known: only days tell them apart.
A_DAY = timedelta(days=1)
# Of what the goods cost by our last figures; those may be weeks old.
OTHER_SUM_PERCENT = 10

Pieces = Mapping[str, int]
Key = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """Goods that an order of ours wants, and nobody here knows whether they are bought.

    `was_promised`: the order is accepted at Kaspi, which we do with the goods held.
    `is_young`: it came when nobody of ours bought any more: it is surely not bought.
    """

    pk: int
    code: str
    pieces: Pieces
    cost_kzt: int | None
    created_at: datetime
    was_promised: bool
    is_young: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bought:
    """One of the supplier's orders that nobody of ours has.

    `pieces` None: its lines were not read. `seen_since`: when a list showed it first;
    None = no earlier than now.
    """

    number: str
    words: frozenset[str]
    pieces: Pieces | None
    sum_kzt: int | None
    made_at: datetime | None
    seen_since: datetime | None

    def can_be_of(self, want: Want) -> bool:
        """Tell whether it can have been made for the order, by goods and time."""
        if self.pieces is None or not want.pieces:
            return False
        if any(self.pieces.get(a, 0) < n for a, n in want.pieces.items()):
            return False
        if self.seen_since is not None and self.seen_since < want.created_at:
            return False
        made = self.made_at
        return made is None or made > want.created_at - A_DAY

    def fits(self, want: Want) -> bool:
        """Tell whether it has just the order's goods, at what they cost."""
        if self.words or self.pieces is None or dict(self.pieces) != dict(want.pieces):
            return False
        if self.sum_kzt is not None and want.cost_kzt is not None:
            differs = abs(self.sum_kzt - want.cost_kzt) * 100
            if differs > OTHER_SUM_PERCENT * max(want.cost_kzt, 1):
                return False
        return self.can_be_of(want)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What was bought for whom; several orders may share one at the supplier."""

    bought: Bought
    wants: tuple[Want, ...]


@dataclass(slots=True, kw_only=True)
class Matched:
    """What follows from both sides' books.

    `doubtful` waits for a person, with what may have been bought for it; `free` is
    surely not bought.
    """

    matches: list[Match] = field(default_factory=list)
    doubtful: list[tuple[Want, tuple[Bought, ...]]] = field(default_factory=list)
    free: list[Want] = field(default_factory=list)


def match(wants: Sequence[Want], bought: Sequence[Bought], *, named: bool) -> Matched:
    """Match by reference first, then by goods, sum and time.

    `named`: the supplier is known to show our references, so an order without one is
    none of ours.
    """
    result = Matched()
    by_code = {want.code: want for want in wants}
    named = named or any(row.words & by_code.keys() for row in bought)
    left = dict(by_code)
    for row, mine in _by_reference(bought, by_code):
        result.matches.append(Match(bought=row, wants=mine))
        for want in mine:
            left.pop(want.code, None)
    taken = {found.bought.number for found in result.matches}
    rows = [row for row in bought if row.number not in taken]
    if not named:
        for found in _by_goods(list(left.values()), rows):
            result.matches.append(found)
            left.pop(found.wants[0].code)
            taken.add(found.bought.number)
    rows = [row for row in rows if row.number not in taken]
    for want in left.values():
        candidates = tuple(_candidates(want, rows, named=named))
        if want.is_young and not any(want.code in row.words for row in candidates):
            result.free.append(want)
        else:
            result.doubtful.append((want, candidates))
    return result


def _by_reference(
    bought: Iterable[Bought], by_code: Mapping[str, Want]
) -> Iterator[tuple[Bought, tuple[Want, ...]]]:
    """Give the orders that bear codes of ours and have just their goods.

    A code that two of them bear proves nothing: a person sees both.
    """
    rows = [row for row in bought if row.words & by_code.keys()]
    borne = Counter(code for row in rows for code in row.words & by_code.keys())
    for row in rows:
        codes = sorted(row.words & by_code.keys())
        mine = tuple(by_code[code] for code in codes)
        if row.pieces is None or any(borne[code] > 1 for code in codes):
            continue
        if total(want.pieces for want in mine) == dict(row.pieces):
            yield row, mine


def _by_goods(wants: Iterable[Want], rows: Sequence[Bought]) -> Iterator[Match]:
    """Pair what has the same goods, where as many were bought as were promised.

    Which of two alike is whose makes no difference: the oldest goes to the oldest. One
    that is left over, and holds the goods of ours and more, may be ours with a
    manager's goods, and an equal one his: then a person sees both.
    """
    groups: dict[Key, list[Want]] = defaultdict(list)
    for want in wants:
        if want.was_promised and not want.is_young:
            groups[_key(want.pieces)].append(want)
    alike: dict[Key, list[Bought]] = defaultdict(list)
    for row in rows:
        if row.pieces is not None and not row.words:
            alike[_key(row.pieces)].append(row)
    paired = [
        pairs for key, mine in groups.items() if (pairs := _paired(mine, alike[key]))
    ]
    explained = {row.number for pairs in paired for row, _want in pairs}
    others = [r for r in rows if not r.words and r.number not in explained]
    for pairs in paired:
        if any(row.can_be_of(want) for row in others for _row, want in pairs):
            continue
        yield from (Match(bought=row, wants=(want,)) for row, want in pairs)


def _paired(mine: list[Want], rows: Iterable[Bought]) -> list[tuple[Bought, Want]]:
    """Pair orders of ours with just as many that fit; nothing where it cannot be."""
    there = [row for row in rows if any(row.fits(want) for want in mine)]
    if len(there) != len(mine):
        return []
    mine = sorted(mine, key=lambda want: (want.created_at, want.pk))
    there.sort(key=lambda row: (row.made_at or mine[0].created_at, row.number))
    pairs = list(zip(there, mine, strict=True))
    return pairs if all(row.fits(want) for row, want in pairs) else []


def _candidates(want: Want, rows: Iterable[Bought], *, named: bool) -> Iterator[Bought]:
    for row in rows:
        if want.code in row.words or (
            not row.words and not named and row.can_be_of(want)
        ):
            yield row


def total(of: Iterable[Pieces]) -> dict[str, int]:
    """Add up pieces by article."""
    found: Counter[str] = Counter()
    for pieces in of:
        found.update(pieces)
    return dict(found)


def _key(pieces: Pieces) -> Key:
    return tuple(sorted(pieces.items()))
