"""What each role of the staff may do, kept in groups of the same names."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.models import Group, Permission, User
from django.db import transaction

from bridge_site.passwords import give_temporary_password

# "bridge_site" is the label that the plumbing's tables have.
OUR_APPS = ("bridge_site", "alerts", "catalog", "orders", "feeds")
# Schedules and queued work are code: staff look at them, nobody edits them here.
WATCHED_APPS = (*OUR_APPS, "django_q")

OPERATOR = frozenset(
    {
        "alerts.acknowledge_alert",
        "catalog.add_commissionrate",
        "catalog.change_category",
        "catalog.change_commissionrate",
        "catalog.change_many_products",
        "catalog.change_pricerule",
        "catalog.change_product",
        "catalog.publish_category",
        "catalog.publish_product",
        "catalog.release_product",
        "catalog.sync_catalogue",
        "feeds.build_feed",
        "feeds.change_store",
        "feeds.rollback_feed",
        "orders.accept_order",
        "orders.assemble_order",
        "orders.cancel_order",
        "orders.change_order",
        "orders.complete_order",
        "orders.pack_order",
        "orders.reserve_order",
        "orders.retry_step",
        "orders.settle_purchase",
        "orders.view_buyer_data",
    }
)
# Prints, checks and hands over; sees no prices, purchases or readings of their own.
PACKER = frozenset(
    {
        "orders.assemble_order",
        "orders.complete_order",
        "orders.pack_order",
        "orders.view_order",
    }
)
# Read like other rows, but about people: only for those who deal with them.
PERSONAL = frozenset(
    {
        # Whose telephone rings is the owner's business.
        "alerts.view_channel",
        "orders.view_buyer",
        "orders.view_buyer_data",
        "orders.view_buyerrequest",
        "orders.view_supplieraccount",
    }
)
# What the business earns as a whole: the owner's, and theirs whom an owner lets see it.
SEES_EARNINGS = "orders.view_booking"
EARNINGS = frozenset({SEES_EARNINGS})
STAFF_MANAGEMENT = frozenset(
    {
        "auth.add_user",
        "auth.change_user",
        "auth.view_group",
        "auth.view_user",
    }
)
ROLES = ("viewer", "packer", "operator", "owner")
OWNER = "owner"


class LastOwner(Exception):
    """Without this person nobody could let anybody in."""


class UnknownPermission(Exception):
    """A role names a permission that no model declares."""


def permissions_of(role: str, known: Iterable[str]) -> set[str]:
    """Choose from the known permissions (`app.codename`) those of a role."""
    names = set(known)
    seen = {n for n in names if n.split(".")[0] in WATCHED_APPS and ".view_" in n}
    seen -= PERSONAL | EARNINGS
    if role == "viewer":
        return seen
    if role == "packer":
        chosen = set(PACKER)
    elif role == "operator":
        chosen = seen | OPERATOR
    else:
        ours = {name for name in names if name.split(".")[0] in OUR_APPS}
        chosen = seen | ours | OPERATOR | STAFF_MANAGEMENT
    if missing := chosen - names:
        raise UnknownPermission(f"{role}: no such permission: {sorted(missing)}")
    return chosen


@transaction.atomic
def sync_roles() -> int:
    """Make the three groups what is declared here; returns how many were changed."""
    rows = Permission.objects.select_related("content_type")
    known = {f"{p.content_type.app_label}.{p.codename}": p for p in rows}
    changed = 0
    for role in ROLES:
        group, _ = Group.objects.get_or_create(name=role)
        wanted = {known[name].pk for name in permissions_of(role, known)}
        if wanted != set(group.permissions.values_list("pk", flat=True)):
            group.permissions.set(wanted)
            changed += 1
    return changed


def refuse_last_owner(user: User) -> None:
    """Raise `LastOwner` unless another owner can sign in.

    To be called in the transaction that takes the role or the access away: it waits
    for whoever does the same to somebody else.
    """
    group = Group.objects.select_for_update().get(name=OWNER)
    owners = User.objects.filter(groups=group, is_active=True)
    is_owner = owners.filter(pk=user.pk).exists()
    if is_owner and not owners.exclude(pk=user.pk).exists():
        raise LastOwner


@transaction.atomic
def set_staff(username: str, *, role: str, password: str | None = None) -> str:
    """Create a member of staff or set their role and password anew.

    Returns the password: a made-up one, to be changed at the first login, unless given.
    Raises `LastOwner` when nobody would be left to let others in.
    """
    user, _ = User.objects.get_or_create(username=username)
    if role != OWNER:
        refuse_last_owner(user)
    user.is_staff = user.is_active = True
    if password:
        user.set_password(password)
    user.save()
    user.groups.set([Group.objects.get(name=role)])
    return password or give_temporary_password(user)
