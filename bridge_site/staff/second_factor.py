"""The second factor at sign-in: a code from the phone, or one kept for its loss."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from binascii import unhexlify
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import DatabaseError, transaction
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.utils.crypto import salted_hmac
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice
from django_otp.util import random_hex

from bridge_site.passwords import LETTERS
from bridge_site.roles import OWNER
from plumbing.full_disk import is_full_database

CODES = 10
HALF = 5
KEPT_LENGTH = 16
DIGITS = 6
# Of half a minute, by which a phone's clock may be wrong.
TOLERANCE = 1
# In the session: the device that was shown, and the key of one that is being set up.
SHOWN, NEW_KEY = "second_factor", "second_factor_key"
# By device, what was tried while nothing could be written.
_in_memory: dict[int, TOTPDevice] = {}
_one_at_a_time = threading.Lock()
log = logging.getLogger(__name__)


class TooSoon(Exception):
    """After wrong codes the next may be tried only later."""

    def __init__(self, until: datetime) -> None:
        super().__init__(until)
        self.until = until


class WrongCode(Exception):
    """The code is not what the phone shows now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp:
    """A phone as it was taken on, with the codes for its loss, told just once."""

    device_pk: int
    codes: list[str]


def with_second_factor(rows: QuerySet[User]) -> QuerySet[User]:
    """Read with each account its device, and what of its role bears on signing in."""
    devices = TOTPDevice.objects.filter(user=OuterRef("pk"), confirmed=True)
    roles = Group.objects.filter(user=OuterRef("pk"))
    return rows.annotate(
        device_pk=Subquery(devices.order_by("pk").values("pk")[:1]),
        must_have_device=Exists(roles.filter(name__in=settings.SECOND_FACTOR_FOR)),
        is_owner=Exists(roles.filter(name=OWNER)),
    )


def device_of(user: Any) -> int | None:
    """Give the device of an account that was read `with_second_factor`."""
    pk: int | None = user.device_pk
    return pk


def must_have_device(user: Any) -> bool:
    is_owner = user.is_superuser and OWNER in settings.SECOND_FACTOR_FOR
    return bool(user.must_have_device or is_owner)


def is_recovery_code(typed: str) -> bool:
    plain = _plain(typed)
    return not (plain.isdigit() and len(plain) == DIGITS)


def check_code(user: User, typed: str) -> bool:
    """Tell whether the code is right; a right one is used up. Raises `TooSoon`.

    On a full disk, which the owner must be able to read of, the phone's are used up in
    this process's memory; one for its loss waits for room.
    """
    plain = _plain(typed)
    try:
        is_right = _check_and_keep(user, plain)
    except DatabaseError as error:
        if is_recovery_code(plain) or not is_full_database(error):
            raise
        log.warning("a code could not be used up: %s", error)
        return _check_in_memory(user, plain)
    _in_memory.clear()
    return is_right


def _check_in_memory(user: User, plain: str) -> bool:
    with _one_at_a_time:
        device = TOTPDevice.objects.filter(user=user, confirmed=True).earliest("pk")
        device = _in_memory.setdefault(device.pk, device)
        _require_patience(device)
        # What it notes of this try, and would save, stays with it.
        device.save = lambda *_args, **_options: None
        return bool(device.verify_token(plain))


def _require_patience(device: TOTPDevice | StaticDevice) -> None:
    is_allowed, why = device.verify_is_allowed()
    if not is_allowed:
        raise TooSoon(why["locked_until"])


@transaction.atomic
def _check_and_keep(user: User, plain: str) -> bool:
    is_for_loss = is_recovery_code(plain)
    model = StaticDevice if is_for_loss else TOTPDevice
    devices = model.objects.select_for_update().filter(user=user, confirmed=True)
    device = devices.order_by("pk").first()
    if device is None:
        return False
    _require_patience(device)
    return bool(device.verify_token(_as_kept(plain) if is_for_loss else plain))


def new_key() -> str:
    return str(random_hex(20))


def address_for_phone(user: User, key: str) -> str:
    """Give what the QR code says: the key with whose it is, as phones read it."""
    return str(TOTPDevice(user=user, key=key).config_url)


@transaction.atomic
def set_up(user: User, *, key: str, typed: str) -> SetUp:
    """Take on the phone that shows this code; it replaces an earlier one.

    Raises `WrongCode`.
    """
    totp = TOTP(unhexlify(key), digits=DIGITS)
    totp.time = time.time()
    plain = _plain(typed)
    if is_recovery_code(plain) or not totp.verify(int(plain), tolerance=TOLERANCE):
        raise WrongCode
    # One after the other, if two pages are sent at once.
    User.objects.select_for_update().get(pk=user.pk)
    take_away(user)
    device = TOTPDevice.objects.create(
        user=user, name="phone", key=key, drift=totp.drift, last_t=totp.t()
    )
    return SetUp(device_pk=device.pk, codes=renew_codes(user))


@transaction.atomic
def renew_codes(user: User) -> list[str]:
    """Make new codes for the phone's loss; those made before are over."""
    StaticDevice.objects.filter(user=user).delete()
    device = StaticDevice.objects.create(user=user, name="recovery")
    codes = [_invent_code() for _n in range(CODES)]
    StaticToken.objects.bulk_create(
        StaticToken(device=device, token=_as_kept(_plain(code))) for code in codes
    )
    return codes


def count_codes(user: User) -> int:
    return int(StaticToken.objects.filter(device__user=user).count())


@transaction.atomic
def take_away(user: User) -> bool:
    """Let a password be enough again; tells whether there was a second factor."""
    had, _by_model = TOTPDevice.objects.filter(user=user).delete()
    StaticDevice.objects.filter(user=user).delete()
    return bool(had)


def _plain(typed: str) -> str:
    return "".join(typed.split()).replace("-", "").replace("–", "").lower()


def _as_kept(plain: str) -> str:
    # Whoever reads the database, or a copy of it, cannot sign in with it.
    return salted_hmac("recovery-code", plain).hexdigest()[:KEPT_LENGTH]


def _invent_code() -> str:
    letters = "".join(secrets.choice(LETTERS) for _n in range(2 * HALF))
    return f"{letters[:HALF]}-{letters[HALF:]}"
