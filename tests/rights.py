"""Who may open and press what, address by address: the other side of bridge_site/roles.

Written down a second time on purpose: what a role may do changes only where somebody
has said so twice.
"""

from __future__ import annotations

from dataclasses import dataclass

# v(iewer), p(acker), o(perator), w(owner).
ALL, DESK, WORK, OWNER, NOBODY = "vpow", "vow", "ow", "w", ""
PACK = "pow"


@dataclass(frozen=True)
class Rule:
    """Roles that may open a page, and roles that may post to it.

    None: there is no such method here. `is_open`: nobody need sign in. `is_button`:
    asked by GET it shows what it asks for, leads back, or says that it must be pressed.
    """

    get: str | None
    post: str | None
    is_open: bool = False
    is_button: bool = False


@dataclass(frozen=True)
class Table:
    """A model's pages: who may see, add, change and delete."""

    see: str = DESK
    add: str = NOBODY
    change: str = NOBODY
    delete: str = NOBODY

    def rules(self, model: str) -> dict[str, Rule]:
        return {
            f"{model}_changelist": Rule(self.see, self.see),
            f"{model}_add": Rule(self.add, self.add),
            f"{model}_change": Rule(self.see, self.change),
            f"{model}_delete": Rule(self.delete, self.delete),
            f"{model}_history": Rule(self.see, self.see),
        }


TABLES = {
    "auth_user": Table(see=OWNER, add=OWNER, change=OWNER),
    "alerts_alert": Table(),
    "alerts_channel": Table(see=OWNER, add=OWNER, change=OWNER, delete=OWNER),
    "alerts_notice": Table(),
    "catalog_category": Table(change=WORK),
    "catalog_commissionrate": Table(add=WORK, change=WORK, delete=OWNER),
    "catalog_importrun": Table(),
    "catalog_pricerule": Table(add=OWNER, change=WORK, delete=OWNER),
    "catalog_product": Table(change=WORK),
    "catalog_productchange": Table(),
    "feeds_feedbuild": Table(),
    "feeds_feedfetch": Table(),
    "feeds_store": Table(add=OWNER, change=WORK, delete=OWNER),
    "orders_buyerrequest": Table(see=OWNER),
    "orders_finding": Table(),
    "orders_learnedfact": Table(),
    "orders_order": Table(see=ALL, change=WORK),
    "orders_parcelcheck": Table(),
    "orders_purchase": Table(),
    "orders_readmark": Table(),
    "orders_reservation": Table(),
    "orders_skumapping": Table(delete=WORK),
    "orders_step": Table(),
    "orders_supplierorder": Table(),
}
PAGES = {
    # What only leads on: the page there asks for the right.
    "/": Rule(ALL, ALL, is_open=True),
    "overview": Rule(ALL, ALL),
    "index": Rule(ALL, ALL),
    "app_list": Rule(ALL, ALL),
    "overview_count": Rule(ALL, ALL),
    "overview_health": Rule(ALL, ALL),
    "search": Rule(ALL, ALL),
    "search_found": Rule(ALL, ALL),
    "guides": Rule(ALL, ALL),
    "guide": Rule(ALL, ALL),
    "jsi18n": Rule(ALL, None),
    "login": Rule(ALL, ALL, is_open=True),
    "logout": Rule(ALL, ALL, is_open=True),
    "password_change": Rule(ALL, ALL),
    "password_change_done": Rule(ALL, None),
    # Nobody looks rows up by it; it asks for a field that may be seen.
    "autocomplete": Rule(NOBODY, None),
    "manifest": Rule(ALL, ALL, is_open=True),
    "set_language": Rule(ALL, ALL, is_open=True),
    "readyz": Rule(ALL, None, is_open=True),
    "price_list": Rule(ALL, None, is_open=True),
    # The overview's own affairs.
    "doctor": Rule(OWNER, OWNER),
    "support_file": Rule(None, OWNER),
    "first_day": Rule(OWNER, OWNER),
    "first_day_observed": Rule(OWNER, OWNER),
    "close_first_day": Rule(None, OWNER),
    "owner_settings": Rule(OWNER, OWNER),
    "owner_settings_observing": Rule(OWNER, OWNER),
    "owner_settings_history": Rule(OWNER, OWNER),
    "owner_settings_back": Rule(None, OWNER),
    # Staff: everybody's own sign-in, and other people's.
    "security": Rule(ALL, ALL),
    "second_factor": Rule(ALL, ALL),
    "second_factor_set_up": Rule(ALL, ALL),
    "turn_second_factor_off": Rule(ALL, ALL),
    "renew_recovery_codes": Rule(ALL, ALL),
    "end_other_sessions": Rule(None, ALL),
    "take_second_factor": Rule(OWNER, OWNER),
    "staff_deeds": Rule(OWNER, OWNER),
    "new_staff_password": Rule(OWNER, OWNER),
    "end_staff_sessions": Rule(OWNER, OWNER),
    "close_staff_access": Rule(OWNER, OWNER),
    "restore_staff_access": Rule(OWNER, OWNER),
    "unlock_staff": Rule(OWNER, OWNER),
    # Alerts.
    "acknowledge_alert": Rule(None, WORK),
    "test_channel": Rule(None, OWNER),
    # Goods and the price list.
    "start_import": Rule(None, WORK),
    "release_product": Rule(None, WORK),
    "catalog_product_xlsx": Rule(DESK, DESK),
    "catalog_product_xlsx_in": Rule(WORK, WORK),
    "catalog_productchange_xlsx": Rule(DESK, DESK),
    "catalog_pricerule_xlsx": Rule(DESK, DESK),
    "catalog_pricerule_xlsx_in": Rule(WORK, WORK),
    "feeds_store_xlsx": Rule(DESK, DESK),
    "feeds_store_xlsx_in": Rule(WORK, WORK),
    "catalog_category_bring_back": Rule(None, WORK),
    "catalog_commissionrate_bring_back": Rule(None, WORK),
    "catalog_pricerule_bring_back": Rule(None, WORK),
    "catalog_product_bring_back": Rule(None, WORK),
    "feeds_store_bring_back": Rule(None, WORK),
    # A proposal is its author's, here the operator's; and so is its table.
    "feeds_proposal_changelist": Rule(NOBODY, NOBODY),
    "feeds_proposal_add": Rule(NOBODY, NOBODY),
    "feeds_proposal_change": Rule("o", "o"),
    "feeds_proposal_delete": Rule(NOBODY, NOBODY),
    "feeds_proposal_history": Rule("o", "o"),
    "proposal_xlsx": Rule("o", "o"),
    "build_feed_now": Rule(None, WORK),
    "download_feed": Rule(DESK, DESK),
    "roll_back_feed": Rule(WORK, WORK),
    "override_feed": Rule(OWNER, OWNER),
    "unpin_feed": Rule(None, WORK),
    # Orders.
    "order_waybill": Rule(PACK, PACK),
    "orders_order_xlsx": Rule(ALL, ALL),
    "note_fact": Rule(None, WORK),
    "look_for_findings": Rule(None, WORK),
    "accept_finding": Rule(WORK, WORK),
    # After a restore.
    "recovery": Rule(DESK, DESK),
    "recovery_confirm": Rule(None, OWNER),
    "recovery_again": Rule(None, OWNER),
    "recovery_decide": Rule(None, WORK),
    "hand_over": Rule(ALL, ALL),
    "hand_over_picking": Rule(ALL, ALL),
    "hand_over_sheet": Rule(ALL, ALL),
    "hand_over_check": Rule(PACK, PACK),
    "hand_over_print": Rule(None, PACK),
    "hand_over_assemble": Rule(None, PACK),
    # Earnings, and what buyers ask of us.
    "orders_booking_changelist": Rule(OWNER, None),
    "orders_booking_xlsx": Rule(OWNER, OWNER),
    "orders_booking_recount": Rule(None, OWNER),
    "find_buyer": Rule(OWNER, OWNER),
    "about_buyer": Rule(OWNER, OWNER),
    "export_buyer": Rule(None, OWNER),
    "erase_buyer": Rule(None, OWNER),
}
# The buttons of one address, by the word it ends with; all others are WORK's.
PACKERS_BUTTONS = {
    "act_on_order": {"assemble", "send-code", "complete", "arrived", "arrived-back"},
    "act_on_step": {"assemble-anew"},
    "act_on_line": {"imei"},
    "act_on_purchase": set[str](),
}
# They lead to a page that asks for the right, or to none.
LEADING_ON = {"view_on_site", "admin/(?P<url>.*)$"}


def rule_of(name: str) -> Rule | None:
    """Give the rule of an address by its name."""
    if name in PAGES:
        return PAGES[name]
    for model, table in TABLES.items():
        if rule := table.rules(model).get(name):
            return rule
    return None


def rule_of_button(name: str, slug: str) -> Rule:
    roles = PACK if slug in PACKERS_BUTTONS[name] else WORK
    return Rule(roles, roles, is_button=True)
