"""What a password may be; and those that somebody else knows, until changed."""

from __future__ import annotations

import secrets

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from bridge_site.models import TemporaryPassword

# No 0/o, 1/l: it is read out or copied by hand.
LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
# Shorter names stand inside too many words.
NAME_LEAST = 4
LATIN = str.maketrans(
    "абвгдеёзийклмнопрстуфыэәғқңөұүһі", "abvgdeeziyklmnoprstufyeagqnouuhi"
) | str.maketrans(
    {"ж": "zh", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "sch", "ю": "yu"}
    | {"я": "ya", "ъ": "", "ь": ""}
)


class NameInsideValidator:
    """Refuses what holds a person's name, in its own letters or in Latin ones."""

    def validate(self, password: str, user: User | None = None) -> None:
        if user is None:
            return
        typed = password.lower()
        names = (user.username, user.first_name, user.last_name)
        for name in map(str.lower, names):
            for written in (name, name.translate(LATIN)):
                if len(written) >= NAME_LEAST and written in typed:
                    raise ValidationError(self.get_help_text(), code="name_inside")

    def get_help_text(self) -> str:
        return gettext("The password must not contain the person's name.")


def invent_password() -> str:
    """Make a password that is hard to guess and easy to type."""
    parts = ("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(4))
    return "-".join(parts)


@transaction.atomic
def give_temporary_password(user: User, password: str = "") -> str:
    """Set a password that its bearer must change; the old one's sessions end."""
    password = password or invent_password()
    user.set_password(password)
    user.save(update_fields=["password"])
    TemporaryPassword.objects.update_or_create(
        user=user, defaults={"given_at": timezone.now()}
    )
    return password
