"""The first day's items, each as the facts say, not as somebody ticked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Exists
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from alerts.models import Channel
from backoffice.asking import Answers, ask
from backoffice.formatting import Tone
from bridge_site.models import FirstDayClosed
from catalog.models import Category, ImportRun
from feeds.models import FeedBuild, FeedFetch, Listing, Store
from orders.models import LearnedFact, Order, Purchase, ReadMark, Step
from plumbing.models import AdjustedSetting

Words = str | Promise


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing to do: how it stands, and where it is done."""

    code: str
    title: Words
    is_done: bool
    text: Words
    url: str
    link: Words
    # Begun, and now it takes its time.
    is_under_way: bool = False

    @property
    def tone(self) -> Tone:
        if self.is_done:
            return Tone.GOOD
        return Tone.INFO if self.is_under_way else Tone.WARN

    @property
    def state(self) -> Words:
        if self.is_done:
            return _("done")
        return _("under way") if self.is_under_way else _("to do")


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstDay:
    """The checklist as it stands."""

    items: Sequence[Item]
    is_closed: bool

    @property
    def done(self) -> int:
        return sum(item.is_done for item in self.items)

    @property
    def next_item(self) -> Item | None:
        return next((item for item in self.items if not item.is_done), None)

    @property
    def is_shown(self) -> bool:
        """Whether the overview still speaks of it."""
        return not self.is_closed and self.next_item is not None


def read_first_day() -> FirstDay:
    """Read how all of it stands, in one query."""
    reserved = Step.objects.of_kind(Step.Kind.RESERVE)
    observing = AdjustedSetting.history.filter(name="OBSERVE_ONLY")
    alone = LearnedFact.objects.filter(name=LearnedFact.Name.GOES_ON_ALONE)
    facts = ask(
        {
            "closed": Exists(FirstDayClosed.objects.all()),
            "imported": Exists(ImportRun.objects.filter(status=ImportRun.Status.DONE)),
            "orders_read": Exists(ReadMark.objects.whole().filter(state=Order.NEW)),
            "order": Exists(Order.objects.all()),
            "store": Exists(Store.objects.filter(is_active=True)),
            "category": Exists(Category.objects.sold()),
            "on_sale": Exists(Listing.objects.on_sale()),
            "list": Exists(FeedBuild.objects.live()),
            "tested": Exists(FeedFetch.objects.tests().successful()),
            "fetched": Exists(FeedFetch.objects.by_kaspi().successful()),
            "observed": Exists(observing),
            "reserved": Exists(reserved.filter(status=Step.Status.DONE)),
            "purchase": Exists(Purchase.objects.all()),
            "alone": Exists(alone),
            "told": Exists(Channel.objects.filter(last_sent_at__isnull=False)),
        }
    )
    items = [*_connections(facts), *_goods(facts), *_list(facts), *_beginning(facts)]
    return FirstDay(items=items, is_closed=bool(facts["closed"]))


def _connections(facts: Answers) -> list[Item]:
    doctor = reverse("doctor")
    examine = _("Examine")
    return [
        Item(
            code="supplier",
            title=_("Al-Style's token"),
            is_done=bool(facts["imported"]),
            text=_("Proved by a first import of goods."),
            url=doctor,
            link=examine,
        ),
        Item(
            code="kaspi",
            title=_("Kaspi's token"),
            is_done=bool(facts["orders_read"]),
            text=_("Proved by a first whole reading of new orders."),
            url=doctor,
            link=examine,
        ),
        Item(
            code="uid",
            title=_("The shop's orders are shown to us"),
            is_done=bool(settings.KASPI_MERCHANT_UID or facts["order"]),
            text=_(
                "An order has come, or the shop's uid is set: without it some shops "
                "are shown no order at all. Kaspi's support names it."
            ),
            url=f"{reverse('owner_settings')}#rhythm",
            link=_("Enter the uid"),
        ),
    ]


def _goods(facts: Answers) -> list[Item]:
    return [
        Item(
            code="store",
            title=_("A point of sale"),
            is_done=bool(facts["store"]),
            text=_("Its id as in Kaspi's cabinet; goods are offered from there."),
            url=reverse("admin:feeds_store_changelist"),
            link=_("Points of sale"),
        ),
        Item(
            code="categories",
            title=_("Categories to sell"),
            is_done=bool(facts["category"]),
            text=_("Chosen branches are sold whole, with what comes into them."),
            url=reverse("admin:catalog_category_changelist"),
            link=_("Categories"),
        ),
        Item(
            code="prices",
            title=_("Prices by rules"),
            is_done=bool(facts["on_sale"]),
            text=_("Goods have a price and stand in the list; see margins below."),
            url=reverse("admin:catalog_pricerule_changelist"),
            link=_("Price rules"),
        ),
    ]


def _list(facts: Answers) -> list[Item]:
    return [
        Item(
            code="outside",
            title=_("Price list from outside"),
            is_done=bool(facts["tested"]),
            is_under_way=bool(facts["list"]),
            text=_("The examination fetches it under its public address, with login."),
            url=reverse("doctor"),
            link=_("Fetch it"),
        ),
        Item(
            code="fetched",
            title=_("Kaspi's fetches"),
            is_done=bool(facts["fetched"]),
            is_under_way=bool(facts["tested"]),
            text=_("Enter its address and login in the cabinet; Kaspi comes hourly."),
            url=reverse("admin:feeds_feedfetch_changelist"),
            link=_("Fetches"),
        ),
        Item(
            code="alerts",
            title=_("Alerts"),
            is_done=bool(facts["told"]),
            text=_("A message by a channel has arrived: send a test."),
            url=reverse("admin:alerts_channel_changelist"),
            link=_("Channels"),
        ),
    ]


def _beginning(facts: Answers) -> list[Item]:
    is_alone = bool(facts["alone"] or not settings.SUPERVISE_FIRST_PURCHASE)
    return [
        Item(
            code="observing",
            title=_("A day of observing only"),
            # Who has bought already has no use for it.
            is_done=bool(facts["reserved"])
            or bool(facts["observed"] and not settings.OBSERVE_ONLY),
            is_under_way=bool(settings.OBSERVE_ONLY),
            text=_(
                "All is read and planned, nothing sent; the report says what would."
            ),
            url=reverse("first_day_observed")
            if settings.OBSERVE_ONLY
            else reverse("owner_settings"),
            link=_("What would be done")
            if settings.OBSERVE_ONLY
            else _("Begin observing"),
        ),
        Item(
            code="purchase",
            title=_("The first purchase, watched"),
            is_done=bool(is_alone and (facts["alone"] or facts["reserved"])),
            is_under_way=bool(facts["purchase"]),
            text=_("It stops after each call, until you say “go on by yourself”."),
            url=reverse("admin:orders_purchase_changelist"),
            link=_("Purchases"),
        ),
    ]
