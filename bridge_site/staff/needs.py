"""What needs an owner about how staff sign in."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from backoffice.dashboard import Need, NeedKind, Role
from backoffice.formatting import Tone
from bridge_site.staff.guarding import locked_names

LOCKED_OUT = NeedKind(
    code="locked-out",
    label=gettext_lazy("Somebody guesses a password"),
    roles=(Role.OWNER,),
)


def needs_of_sign_in() -> Iterator[Need]:
    """Tell whose account somebody was kept out of, once for each account."""
    accounts = User.objects.filter(is_active=True).values_list("username", "pk")
    pks = dict(accounts)
    for name, locked in locked_names(pks).items():
        text = _(
            "%(name)s: %(attempts)d wrong passwords in a row from %(address)s; from "
            "there this account is closed for %(minutes)d minutes. If it was not "
            "%(name)s, somebody guesses"
        ) % {
            "name": name,
            "attempts": settings.SIGN_IN_ATTEMPTS,
            "address": ", ".join(sorted({each.address for each in locked})[:3]),
            "minutes": settings.SIGN_IN_LOCKED_MIN,
        }
        yield Need(
            tone=Tone.WARN,
            text=text,
            url=reverse("admin:auth_user_change", args=[pks[name]]),
            kind=LOCKED_OUT,
            subject=str(pks[name]),
        )
