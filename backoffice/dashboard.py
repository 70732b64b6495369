"""What the overview is made of: apps fill sections, the site puts them together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from django.urls import Resolver404, resolve
from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from backoffice.charts import Bar, draw_bars
from backoffice.formatting import Tone, grouped
from backoffice.pages import Button

DAYS_DRAWN = 14
# Rows of a journal that the overview shows.
RECENT = 6


class Role(Enum):
    """Whose work a need is; the groups of the staff bear the same names."""

    OPERATOR = "operator"
    OWNER = "owner"


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedKind:
    """Needs of one sort: what an alert is called, and who is told."""

    code: str
    label: str | Promise
    roles: tuple[Role, ...] = (Role.OPERATOR, Role.OWNER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One thing that a person must see, and the page where it is done.

    One with a `kind` is an alert, too. Kind and `subject` name it, however its text
    changes meanwhile; the text leaves the house, so nothing of a buyer's stands in it.
    """

    tone: Tone
    text: str
    url: str = ""
    kind: NeedKind | None = None
    subject: str = ""
    # By night, too.
    is_urgent: bool = False
    # How many things it stands for in the count that a tab's title shows.
    number: int = 1
    # A list beside the needs shows what it is about.
    is_listed: bool = False

    @property
    def label(self) -> str:
        """Say how pressing it is."""
        labels = {Tone.BAD: _("urgent"), Tone.WARN: _("to do"), Tone.INFO: _("look")}
        return labels[self.tone]


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestLine:
    """One figure of the daily digest, and who may read it."""

    label: str
    value: str
    is_owners: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusCard:
    """One thing that must be alive: its state in a word, and the details behind it."""

    title: str
    tone: Tone
    state: str
    details: Sequence[tuple[str, SafeString]]
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A large number with what it counts, and the list of what was counted."""

    label: str
    value: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many goods one reason concerns; `percent` of the largest reason."""

    label: str
    number: str
    percent: int
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """A number taken apart by reason; `anchor` is its place on the page."""

    title: str
    anchor: str
    shares: Sequence[Share]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """A row of a journal: when, its state, what it says, and its page."""

    when: SafeString
    pill: SafeString
    text: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """The latest rows of a journal, and the page with all of them."""

    title: str
    url: str
    rows: Sequence[Recent]


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardSection:
    """What one app tells of itself first."""

    needs: Sequence[Need] = ()
    cards: Sequence[StatusCard] = ()
    figures: Sequence[Figure] = ()
    charts: Sequence[SafeString] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardDetails:
    """What one app tells to whoever looks closer: the page's folded part."""

    buttons: Sequence[Button] = ()
    charts: Sequence[SafeString] = ()
    breakdowns: Sequence[Breakdown] = ()
    journals: Sequence[Journal] = ()


class Reader(Protocol):
    """Whoever looks at the overview, with their rights."""

    def has_perm(self, perm: str) -> bool: ...


L = TypeVar("L", Need, StatusCard, Figure, Share)


def may_open(user: Reader, url: str) -> bool:
    """Tell whether an address of the admin's shows this person its page.

    The pages of a model's rows ask for the right to view them; what is no such page
    (an anchor, a page of our own) is not judged here.
    """
    path = urlsplit(url).path
    if not path:
        return True
    try:
        name = resolve(path).url_name or ""
    except Resolver404:
        return False
    app, _underscore, rest = name.partition("_")
    model, _underscore, page = rest.rpartition("_")
    if page not in ("changelist", "change", "history"):
        return True
    rights = (f"{app}.view_{model}", f"{app}.change_{model}")
    return any(user.has_perm(right) for right in rights)


def linked_for(user: Reader, things: Iterable[L]) -> list[L]:
    """Take away the links that would lead this person to a refusal."""
    return [
        thing if may_open(user, thing.url) else replace(thing, url="")
        for thing in things
    ]


def make_shares(
    numbers: Mapping[str, int], *, labels: Mapping[str, str], url: str
) -> list[Share]:
    """Compare the numbers by code; `url` and the code are a reason's list.

    They come in the order of `numbers`; a code without a label stands for itself.
    """
    top = max(numbers.values(), default=0)
    return [
        Share(
            label=labels.get(code, code),
            number=grouped(number),
            percent=round(100 * number / top) if top else 0,
            url=f"{url}{code}",
        )
        for code, number in numbers.items()
    ]


def drawn_days(*, now: datetime) -> list[datetime]:
    """List the midnights of Almaty that begin the days drawn, today's last."""
    today = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    return [today - timedelta(days=back) for back in reversed(range(DAYS_DRAWN))]


def draw_days(
    values: Iterable[int | None], *, days: Sequence[datetime], title: str
) -> SafeString:
    """Draw one value per day."""
    bars = [
        Bar(label=format_date(day, "j E"), value=value)
        for day, value in zip(days, values, strict=True)
    ]
    return draw_bars(bars, title=title)
