"""Which settings the owner may change while the bridge runs, and what each means.

What a setting may be and its default stand where it is read, in `settings`; here are
the words. A test asks that each setting is either named here or fixed with its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from bridge_site.env import Declaration
from bridge_site.staff.forms import ROLE_NAMES
from orders.checks import PARSERS

Words = str | Promise
BUILD, REFRESH = "feeds.tasks.build_feed", "orders.tasks.refresh_orders"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustable:
    """A setting in the owner's words."""

    name: str
    label: Words
    help: Words
    unit: Words = ""
    choices: Mapping[str, Words] | None = None
    # What a value brings about that must be known before it is saved.
    warnings: Mapping[Any, Words] | None = None
    # Queued after a change, so that its effect need not wait for the schedule.
    then: str = ""

    @property
    def declared(self) -> Declaration:
        declarations: dict[str, Declaration] = settings.SETTING_DECLARATIONS
        return declarations[self.name]

    def parse(self, raw: str) -> Any:
        """Read text as the environment's is read; raises `ValueError`."""
        value = self.declared.parse(raw)
        if self.name in PARSERS:
            PARSERS[self.name](value)
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Settings that belong together on the page."""

    anchor: str
    title: Words
    settings: Sequence[Adjustable]


MINUTES, HOURS, DAYS = _("min"), _("h"), _("days")
PIECES, PERCENT = _("pcs"), "%"

GROUPS = (
    Group(
        anchor="automation",
        title=_("What is done by itself"),
        settings=(
            Adjustable(
                name="AUTO_RESERVE",
                label=_("Reserve goods at Al-Style"),
                help=_("A new order's goods are ordered at once, without asking."),
                warnings={False: _("New orders will wait until somebody reserves.")},
            ),
            Adjustable(
                name="AUTO_ACCEPT",
                label=_("Accept orders at Kaspi"),
                help=_("As soon as an order's goods are reserved."),
                warnings={
                    False: _("Each order must then be accepted by hand, in time.")
                },
            ),
            Adjustable(
                name="AUTO_ASSEMBLE",
                label=_("Make waybills"),
                help=_("At once after accepting, one place per order."),
                warnings={
                    True: _(
                        "Kaspi counts an order with a waybill as packed: the packer "
                        "must keep up."
                    )
                },
            ),
            Adjustable(
                name="AUTO_CANCEL_OUT_OF_STOCK",
                label=_("Cancel orders that the supplier has no goods for"),
                help=_("Without asking. Else such an order waits for a person."),
                warnings={
                    True: _(
                        "Orders will be cancelled without a person; each counts "
                        "against the shop at Kaspi."
                    )
                },
            ),
            Adjustable(
                name="ACCEPT_UNRESERVED_BEFORE_DEADLINE",
                label=_("Accept unreserved orders when the deadline is near"),
                help=_("So as not to miss it while Al-Style cannot be reached."),
                warnings={
                    True: _(
                        "An order may be accepted whose goods cannot be had any more."
                    )
                },
            ),
            Adjustable(
                name="BUY_TOGETHER",
                label=_("Buy several orders' goods in one purchase"),
                help=_("Three calls to Al-Style then serve many orders."),
                choices={
                    "threatened": _("when a queue threatens a deadline"),
                    "always": _("always"),
                    "off": _("never"),
                },
            ),
            Adjustable(
                name="SUPERVISE_FIRST_PURCHASE",
                label=_("Watch over the first purchases"),
                help=_("They stop after each call until a person says “go on”."),
                warnings={
                    False: _(
                        "The first purchase will be made without anybody looking on."
                    )
                },
            ),
        ),
    ),
    Group(
        anchor="hours",
        title=_("The shop's hours and deadlines"),
        settings=(
            Adjustable(
                name="WORK_WEEK",
                label=_("Opening hours"),
                help=_(
                    "As in Kaspi's cabinet: the time to accept an order runs only "
                    "inside them. 10-20 or 09:30-18; “-” is a closed day."
                ),
                then=REFRESH,
            ),
            Adjustable(
                name="HOLIDAYS",
                label=_("Closed days"),
                help=_("One a line or separated by commas: 01.01.2027."),
                then=REFRESH,
            ),
            Adjustable(
                name="ACCEPT_WITHIN_WORKING_MIN",
                label=_("Time to accept an order"),
                help=_("Working minutes after it was paid; Kaspi gives 180."),
                unit=MINUTES,
                then=REFRESH,
            ),
            Adjustable(
                name="EXPRESS_WITHIN_MIN",
                label=_("Time to accept an express order"),
                help=_("Minutes by the clock; Kaspi gives 60."),
                unit=MINUTES,
                then=REFRESH,
            ),
            Adjustable(
                name="DEADLINE_NEAR_MIN",
                label=_("A deadline is near"),
                help=_("From so many minutes before it on, orders stand out."),
                unit=MINUTES,
            ),
        ),
    ),
    Group(
        anchor="supplier",
        title=_("Shipping by Al-Style"),
        settings=(
            Adjustable(
                name="SUPPLIER_WORK_WEEK",
                label=_("Days on which Al-Style ships"),
                help=_("An order there names the first of them that it can be met on."),
            ),
            Adjustable(
                name="SUPPLIER_HOLIDAYS",
                label=_("Days on which it does not"),
                help=_("One a line or separated by commas: 01.01.2027."),
            ),
            Adjustable(
                name="SHIPPING_DAYS_AHEAD",
                label=_("Days from order to shipping"),
                help=_("At the earliest; 0 is the same day."),
                unit=DAYS,
            ),
            Adjustable(
                name="SHIPPING_CUTOFF_HOUR",
                label=_("End of its working day"),
                help=_("Ordered after this hour of Almaty, it ships a day later."),
                unit=_("o'clock"),
            ),
            Adjustable(
                name="SUPPLIER_STOCK_FALLS_AT",
                label=_("Al-Style's visible stock falls"),
                help=_("Until then our orders' goods are subtracted by the bridge."),
                choices={
                    "shipping": _("when an order is shipped"),
                    "submit": _("when an order is placed"),
                },
                warnings={
                    "submit": _(
                        "If it is not so, goods that are gone will be offered again."
                    )
                },
                then=BUILD,
            ),
        ),
    ),
    Group(
        anchor="prices",
        title=_("Prices and earnings"),
        settings=(
            Adjustable(
                name="PRICE_TOLERANCE_PERCENT",
                label=_("Dearer purchase put up with"),
                help=_("A greater rise of the dealer's price waits for a person."),
                unit=PERCENT,
            ),
            Adjustable(
                name="MARGIN_LEAST_PERCENT",
                label=_("Least earnings of an order, of its cost"),
                help=_("Less waits for a person; negative is a loss put up with."),
                unit=PERCENT,
            ),
            Adjustable(
                name="MARGIN_LEAST_KZT",
                label=_("Least earnings of an order, in tenge"),
                help=_("The greater of the two counts."),
                unit="₸",
            ),
            Adjustable(
                name="PRICE_JUMP_PERCENT",
                label=_("Greatest fall of a price"),
                help=_("A greater one goes into quarantine, off sale."),
                unit=PERCENT,
                then=BUILD,
            ),
            Adjustable(
                name="CHANGE_WARN_PERCENT",
                label=_("A change counts as large from"),
                help=_("Share of the goods on sale; it must be ticked as meant."),
                unit=PERCENT,
            ),
            Adjustable(
                name="PRICE_RISE_STEADY_HOURS",
                label=_("A great rise goes through after"),
                help=_("If all readings have shown it for so long."),
                unit=HOURS,
            ),
        ),
    ),
    Group(
        anchor="list",
        title=_("Stock and price list"),
        settings=(
            Adjustable(
                name="STOCK_CAP",
                label=_("Most pieces shown of one product"),
                help=_("However many Al-Style has."),
                unit=PIECES,
                then=BUILD,
            ),
            Adjustable(
                name="LEAST_STOCK_TO_LIST",
                label=_("Fewest pieces to be on sale"),
                help=_("Less is not offered: the last piece is often gone."),
                unit=PIECES,
                then=BUILD,
            ),
            Adjustable(
                name="STOCK_STALE_AFTER_MIN",
                label=_("Figures are too old after"),
                help=_("Nothing is sold by older ones: all goods go off sale."),
                unit=MINUTES,
                then=BUILD,
            ),
            Adjustable(
                name="COMPLETE_SHARE_PERCENT",
                label=_("A reading is complete from"),
                help=_("Share of the known goods; one with less is refused whole."),
                unit=PERCENT,
            ),
            Adjustable(
                name="FEED_MASS_WITHDRAWAL_PERCENT",
                label=_("Goods that may go off sale at once"),
                help=_("Beyond it only what Al-Style twice said is gone goes off."),
                unit=PERCENT,
            ),
            Adjustable(
                name="FEED_WITHHELD_HOURS",
                label=_("The others go off sale after"),
                help=_("If all readings have said the same for so long."),
                unit=HOURS,
            ),
            Adjustable(
                name="FEED_ROLLBACK_HOLD_MIN",
                label=_("A rolled back list stays for"),
                help=_("Meanwhile builds renew nothing but the stock."),
                unit=MINUTES,
            ),
            Adjustable(
                name="FEED_WITHDRAWN_DAYS",
                label=_("Goods off sale stay in the list for"),
                help=_("As unavailable, so that Kaspi takes them off."),
                unit=DAYS,
            ),
            Adjustable(
                name="FEED_KEPT_VERSIONS",
                label=_("Versions kept for rolling back"),
                help=_("Older ones are deleted."),
            ),
            Adjustable(
                name="FEED_KASPI_NETWORKS",
                label=_("Networks that Kaspi fetches from"),
                help=_("203.0.113.0/24, 198.51.100.7; the list's login tells as well."),
            ),
            Adjustable(
                name="PUBLIC_URL",
                label=_("The site's address from outside"),
                help=_("https://…; the price list is test-fetched there."),
            ),
        ),
    ),
    Group(
        anchor="rhythm",
        title=_("Readings and attempts"),
        settings=(
            Adjustable(
                name="SYNC_STOCK_EVERY_MIN",
                label=_("Read stock and prices every"),
                help=_("One call to Al-Style each time."),
                unit=MINUTES,
            ),
            Adjustable(
                name="POLL_ORDERS_EVERY_MIN",
                label=_("Look for new orders every"),
                help=_("Kaspi gives three hours: minutes count."),
                unit=MINUTES,
            ),
            Adjustable(
                name="REFRESH_ORDERS_EVERY_MIN",
                label=_("Read open orders again every"),
                help=_("At both sides: who cancelled, what was handed over."),
                unit=MINUTES,
            ),
            Adjustable(
                name="STEP_ATTEMPTS",
                label=_("Attempts before a person is asked"),
                help=_("Each after a longer pause."),
            ),
            Adjustable(
                name="ORDERS_SILENT_DAYS",
                label=_("No orders is told after"),
                help=_("Although goods are on sale: perhaps they cannot be read."),
                unit=DAYS,
            ),
            Adjustable(
                name="KASPI_MERCHANT_UID",
                label=_("Shop's number at Kaspi (uid)"),
                help=_("Without it some shops see no order; Kaspi's support names it."),
            ),
        ),
    ),
    Group(
        anchor="alerts",
        title=_("Alerts"),
        settings=(
            Adjustable(
                name="ALERT_QUIET_HOURS",
                label=_("Quiet hours"),
                help=_("Only what is urgent is told: 22-8; “-” is none."),
            ),
            Adjustable(
                name="ALERT_REPEAT_MIN",
                label=_("Told again after"),
                help=_(
                    "Until somebody acknowledges; the last pause goes on: 30,120,480."
                ),
                unit=MINUTES,
            ),
            Adjustable(
                name="DIGEST_AT",
                label=_("Daily digest at"),
                help=_("By the clock of Almaty: 9:00; “-” is never."),
            ),
            Adjustable(
                name="DISK_LOW_MB",
                label=_("Disk space is low below"),
                help=_("A full disk stops orders and the price list."),
                unit=_("MB"),
            ),
        ),
    ),
    Group(
        anchor="sign-in",
        title=_("Signing in"),
        settings=(
            Adjustable(
                name="SIGN_IN_ATTEMPTS",
                label=_("Close sign-in after wrong passwords"),
                help=_(
                    "In a row, for one name from one address; the owner can unlock it."
                ),
            ),
            Adjustable(
                name="SIGN_IN_LOCKED_MIN",
                label=_("Closed for"),
                help=_("Then it opens by itself."),
                unit=MINUTES,
            ),
            Adjustable(
                name="SECOND_FACTOR_FOR",
                label=_("Require a code from the phone of"),
                help=_(
                    "Whoever has not set it up is led to it when they sign in, and can "
                    "do nothing else before. Others may have it if they want."
                ),
                choices=ROLE_NAMES,
            ),
            Adjustable(
                name="SESSION_HOURS",
                label=_("Stay signed in for"),
                help=_("Then the password is asked for again. Less counts at once."),
                unit=HOURS,
            ),
            Adjustable(
                name="OWNER_SESSION_HOURS",
                label=_("Owners stay signed in for"),
                help=_("They may do everything, so rather shorter."),
                unit=HOURS,
            ),
        ),
    ),
    Group(
        anchor="kept",
        title=_("How long things are kept"),
        settings=(
            Adjustable(
                name="BUYER_DATA_KEPT_DAYS",
                label=_("Buyers' names and phones"),
                help=_("After the order's end; waybills go with them."),
                unit=DAYS,
            ),
            Adjustable(
                name="WAYBILLS_KEPT_DAYS",
                label=_("Waybills"),
                help=_("After the order's end; 0: as long as the buyer's data."),
                unit=DAYS,
            ),
            Adjustable(
                name="EVENTS_KEPT_DAYS",
                label=_("What happened to orders"),
                help=_("After the order's end; 0: for ever."),
                unit=DAYS,
            ),
            Adjustable(
                name="STEPS_KEPT_DAYS",
                label=_("Orders' steps"),
                help=_("After the order's end; 0: for ever."),
                unit=DAYS,
            ),
            Adjustable(
                name="CHANGES_KEPT_DAYS",
                label=_("Changes of stock and prices"),
                help=_("The charts go back as far as this."),
                unit=DAYS,
            ),
            Adjustable(
                name="HISTORY_KEPT_DAYS",
                label=_("Who changed rules and choices"),
                help=_("The last state of each row always stays."),
                unit=DAYS,
            ),
            Adjustable(
                name="FAILED_TASKS_KEPT_DAYS",
                label=_("The queue's notes on ended tasks"),
                help=_("0: for ever."),
                unit=DAYS,
            ),
        ),
    ),
)
ADJUSTABLE = {each.name: each for group in GROUPS for each in group.settings}
# Has buttons of its own: it must never be switched off in passing.
OBSERVING = Adjustable(
    name="OBSERVE_ONLY",
    label=_("Observing only"),
    help=_("Everything is read and planned, and nothing is written to either side."),
)

SECRETS = (
    *("SECRET_KEY", "ALSTYLE_TOKEN", "KASPI_TOKEN", "FEED_PASSWORD", "HEALTH_TOKEN"),
    *("METRICS_TOKEN", "SENTRY_DSN", "BACKUP_STORE_KEY", "BACKUP_STORE_SECRET"),
    # Who knows such an address may write to it.
    *("ALERT_URLS", "HEARTBEAT_URL"),
)
# Not changed on the page, by reason.
FIXED: Mapping[Words, Sequence[str]] = {
    _("Secrets"): SECRETS,
    _("Whose shop it is"): (
        *("KASPI_MERCHANT_ID", "KASPI_COMPANY", "ALSTYLE_BIN", "FEED_USER"),
    ),
    _("Needed when the program starts"): (
        *("DEBUG", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "HTTPS_ONLY", "LISTEN"),
        *("HSTS_SCOPE", "TRUSTED_PROXIES", "ADMIN_PATH", "ADMIN_NETWORKS"),
        *("VAR_DIR", "DATABASE_URL", "LOG_LEVEL", "FEED_DIR", "ALLOW_UNSAFE"),
        *("EPOCH_MARK", "BACKUP_DIR", "BACKUP_SECOND_DIR", "BACKUP_RECIPIENT"),
        *("BACKUP_KEEP", "HOST_NAME", "HOST_ROLES", "BROKER_URL"),
        *("BACKUP_STORE_URL", "BACKUP_STORE_REGION"),
        *("LOG_FILE", "LOG_FILE_MB", "LOG_FILES_KEPT", "LOG_FORMAT"),
        "SENTRY_ENVIRONMENT",
    ),
    _("How either side is reached"): (
        *("ALSTYLE_URL", "ALSTYLE_INTERVAL_S", "ALSTYLE_TIMEOUT_S", "KASPI_URL"),
        *("KASPI_INTERVAL_S", "KASPI_TIMEOUT_S", "ORDER_TIMEOUT_S", "PEER_BACKOFF_S"),
        *("PEER_LONGEST_WAIT_S", "OUTBOUND_PROXY", "USER_AGENT"),
        *("SUBMIT_PARAMETERS_IN", "ALSTYLE_PORTAL_URL", "KASPI_CABINET_URL"),
    ),
}
# Of these no more is shown than whether they are set.
UNSHOWN = frozenset(
    {*SECRETS, "DATABASE_URL", "BROKER_URL", "OUTBOUND_PROXY", "FEED_USER"}
)


def adjustable_parsers() -> dict[str, Callable[[str], Any]]:
    """Give the parser of each setting that the environment leaves to the owner."""
    every = [*ADJUSTABLE.values(), OBSERVING]
    return {each.name: each.parse for each in every if not each.declared.is_set}
