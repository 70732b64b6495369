"""What Kaspi takes for the code of a point of sale."""

from __future__ import annotations

import re

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

STORE_ID = re.compile(r"^[0-9A-Za-z_.-]{1,60}$", re.ASCII)
# Letters that look, or are typed, as Latin ones: "ПП1" is meant to be "PP1".
LOOK_ALIKE = str.maketrans("АВЕКМНОРСТХПаеорсх", "ABEKMHOPCTXPaeopcx")


def check_store_id(store_id: str) -> None:
    """Raise `ValidationError` with what is wrong in a code; blank ones pass."""
    if not store_id or STORE_ID.fullmatch(store_id):
        return
    foreign = "".join(
        dict.fromkeys(letter for letter in store_id if not STORE_ID.fullmatch(letter))
    )
    if not foreign.strip():
        text = _("Kaspi takes no spaces in a point's code.")
    else:
        text = _(
            "Kaspi takes Latin letters, digits, “_”, “-” and “.” in a point's code: "
            "here it finds “%(letters)s”."
        ) % {"letters": foreign.strip()}
    meant = store_id.translate(LOOK_ALIKE)
    if meant != store_id and STORE_ID.fullmatch(meant):
        text += " " + _("Perhaps “%(code)s” is meant.") % {"code": meant}
    raise ValidationError(text)


def same_point(store_id: str, merchant_id: str) -> str:
    """Give what two ways of writing one point have in common: "pp1"."""
    own, code = f"{merchant_id}_".casefold(), store_id.casefold()
    return code.removeprefix(own)
