"""What may be done to an account, and what must hold after it."""

from __future__ import annotations

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import Group, Permission, User
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import ProtectedError, QuerySet
from django.utils import timezone

from bridge_site.passwords import give_temporary_password
from bridge_site.roles import OWNER, ROLES, SEES_EARNINGS, refuse_last_owner
from bridge_site.staff.guarding import unlock


def role_of(user: User) -> str:
    """Name the role of an account, "" when it has none."""
    names = {group.name for group in user.groups.all()}
    return next((role for role in reversed(ROLES) if role in names), "")


@transaction.atomic
def give_role(user: User, role: str) -> None:
    """Give an account one role; the right to enter the admin comes with it."""
    if role != OWNER:
        refuse_last_owner(user)
    user.is_staff = True
    user.save(update_fields=["is_staff"])
    user.groups.set([Group.objects.get(name=role)])


def may_see_earnings(user: User) -> bool:
    """Tell whether an owner lets this person see what the shop earns."""
    return user.user_permissions.filter(**_named(SEES_EARNINGS)).exists()


def let_see_earnings(user: User, *, may: bool) -> None:
    """Let a person see the profit report beyond their role, or no more.

    An owner sees it by the role: nothing of it is left when they step down.
    """
    right = Permission.objects.get(**_named(SEES_EARNINGS))
    if may and role_of(user) != OWNER:
        user.user_permissions.add(right)
    else:
        user.user_permissions.remove(right)


def _named(permission: str) -> dict[str, str]:
    app, codename = permission.split(".")
    return {"content_type__app_label": app, "codename": codename}


@transaction.atomic
def close_access(user: User) -> None:
    """Let somebody in no more, from this moment; what they did stays theirs."""
    refuse_last_owner(user)
    user.is_active = False
    user.save(update_fields=["is_active"])
    end_sessions(user)


@transaction.atomic
def restore_access(user: User) -> str:
    """Let somebody in again, with a new temporary password, which is returned."""
    user.is_active = True
    user.save(update_fields=["is_active"])
    return give_password(user)


@transaction.atomic
def give_password(user: User, password: str = "") -> str:
    """Set a temporary password, chosen or made up, with which they get in at once."""
    unlock(user)
    return give_temporary_password(user, password)


def refuse_deletion(instance: User, **_told: object) -> None:
    """Keep an account, whoever deletes it: what its owner did would go with it."""
    raise ProtectedError(
        f"{instance.get_username()}: accounts are closed, never deleted", {instance}
    )


def sessions_of(user: User) -> list[str]:
    """List the keys of a person's living sessions."""
    living: QuerySet[Session] = Session.objects.filter(expire_date__gt=timezone.now())
    mine = str(user.pk)
    return [row.pk for row in living if row.get_decoded().get(SESSION_KEY) == mine]


def end_sessions(user: User, *, keep: str = "") -> int:
    """Sign a person out everywhere, except in the session `keep`."""
    keys = [key for key in sessions_of(user) if key != keep]
    Session.objects.filter(pk__in=keys).delete()
    return len(keys)
