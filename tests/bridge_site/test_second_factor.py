"""A code from the phone at sign-in: set up, asked for, required, lost."""

from __future__ import annotations

import re
from base64 import b32decode
from binascii import unhexlify
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp.oath import totp
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from bridge_site.models import TemporaryPassword
from bridge_site.roles import ROLES, set_staff, sync_roles
from bridge_site.staff import second_factor
from plumbing.adjusting import settled
from plumbing.models import ClockApart
from tests.staff import log_in, messages_of, page

pytestmark = pytest.mark.django_db
INDEX, LOGIN = reverse("admin:index"), reverse("admin:login")
CODE, SET_UP = reverse("second_factor"), reverse("second_factor_set_up")
SECURITY, ORDERS = reverse("security"), reverse("admin:orders_order_changelist")
PASSWORD = "Korzina-na-41"


@pytest.fixture(autouse=True)
def clock():
    """Let time go by only when a test says so: codes live half a minute."""
    with time_machine.travel(timezone.now(), tick=False) as traveller:
        yield traveller


@pytest.fixture
def aigul() -> User:
    sync_roles()
    set_staff("aigul", role="operator", password=PASSWORD)
    return User.objects.get(username="aigul")


def sign_in(username="aigul"):
    client: Any = Client()
    client.cookies["django_language"] = "en"
    form = {"username": username, "password": PASSWORD, "next": INDEX}
    assert client.post(LOGIN, form).url == INDEX
    return client


def found_in(pattern, text):
    """Give what stands in the pattern's brackets, or all that it found."""
    found = re.search(pattern, text, re.DOTALL)
    assert found is not None, pattern
    return found[found.re.groups]


def phone_shows(user, steps=0):
    """Give the code that the person's phone shows, or will after so many steps."""
    device = TOTPDevice.objects.get(user=user)
    key = unhexlify(device.key)
    return f"{totp(key, t0=-30 * steps):06}"


def set_up(client):
    """Set a phone up as a person does; gives the recovery codes shown."""
    shown = page(client, SET_UP)
    address = unescape(found_in(r'href="(otpauth:[^"]+)"', shown))
    secret = parse_qs(urlsplit(address).query)["secret"][0]
    key = b32decode(secret)
    answer = client.post(SET_UP, {"code": f"{totp(key):06}"})
    return re.findall(r"<li><code>([^<]+)</code>", answer.content.decode())


@pytest.fixture
def with_phone(aigul, clock):
    """Give the recovery codes of somebody who has set up a phone."""
    codes = set_up(sign_in())
    clock.shift(timedelta(minutes=1))
    return codes


# --- Set up ---------------------------------------------------------------------------


def test_a_phone_is_set_up_with_the_code_it_shows(aigul):
    client = sign_in()
    assert set_up(client) != []
    assert TOTPDevice.objects.get(user=aigul).confirmed
    # This session has shown it already.
    assert client.get(INDEX).status_code == 200
    assert LogEntry.objects.get().object_id == str(aigul.pk)


def test_the_picture_is_made_here_and_says_whose_key_it_is(aigul, settings):
    settings.OTP_TOTP_ISSUER = "Kaspi Qaz Demo"
    shown = page(sign_in(), SET_UP)
    picture = found_in(r'<div class="qr".*?</div>', shown)
    assert "<svg" in picture
    assert "style=" not in picture
    assert "http" not in picture
    address = urlsplit(unescape(found_in(r'href="(otpauth:[^"]+)"', shown)))
    assert address.path == "/Kaspi%20Qaz%20Demo%3Aaigul"
    key = found_in(r'class="key">([A-Z2-7 ]+)<', shown)
    assert key.replace(" ", "") == parse_qs(address.query)["secret"][0]


@pytest.mark.parametrize("code", ["000000", "", "abcdef", "12345678901"])
def test_a_wrong_code_sets_nothing_up_and_keeps_the_picture(aigul, code):
    client = sign_in()
    before = found_in(r'class="key">([^<]+)<', page(client, SET_UP))
    answer = client.post(SET_UP, {"code": code})
    assert "another code now" in answer.content.decode()
    assert before in answer.content.decode()
    assert not TOTPDevice.objects.exists()


def test_recovery_codes_are_kept_unreadable_and_told_once(with_phone):
    assert len(set(with_phone)) == 10
    kept = set(StaticToken.objects.values_list("token", flat=True))
    assert len(kept) == 10
    assert not kept & {code.replace("-", "") for code in with_phone}


# --- Asked for ------------------------------------------------------------------------


def test_the_password_alone_opens_nothing(aigul, with_phone):
    client = sign_in()
    for url in (INDEX, ORDERS, SECURITY, SET_UP, reverse("admin:password_change")):
        assert client.get(url).url.startswith(CODE), url
    answer = client.post(reverse("admin:build_feed_now"))
    assert answer.url == CODE
    off = client.post(reverse("turn_second_factor_off"), {"code": "x"})
    assert off.url == CODE
    assert TOTPDevice.objects.count() == 1
    assert client.post(reverse("admin:logout")).status_code in (200, 302)


def test_the_code_leads_to_where_one_wanted_to_go(aigul, with_phone):
    client = sign_in()
    asked = client.get(f"{ORDERS}?q=7").url
    answer = client.post(asked, {"code": f" {phone_shows(aigul)} "})
    assert answer.url == f"{ORDERS}?q=7"
    assert client.get(INDEX).status_code == 200
    assert client.get(CODE).url == INDEX


def test_the_code_leads_nowhere_else(aigul, with_phone):
    client = sign_in()
    code = phone_shows(aigul)
    answer = client.post(f"{CODE}?next=https://evil.example/", {"code": code})
    assert answer.url == INDEX


def test_a_code_is_taken_once(aigul, with_phone):
    code = phone_shows(aigul)
    assert sign_in().post(CODE, {"code": code}).url == INDEX
    assert "used already" in sign_in().post(CODE, {"code": code}).content.decode()


def test_a_wrong_clock_of_the_bridges_own_is_said(aigul, with_phone, clock):
    """Else nobody who is to put it right would know why no code fits."""
    ClockApart.objects.create(name="Kaspi", seconds=86_400, seen_at=timezone.now())
    client = sign_in()
    clock.shift(timedelta(days=1))
    told = client.post(CODE, {"code": "123456"}).content.decode()
    assert "own clock is wrong" in told
    ClockApart.objects.all().delete()
    clock.shift(timedelta(hours=1))
    told = client.post(CODE, {"code": "123457"}).content.decode()
    assert "code is wrong or was used already" in told


def test_codes_cannot_be_tried_through(aigul, with_phone, caplog, clock):
    client = sign_in()
    wrong = [client.post(CODE, {"code": "000000"}).status_code for _n in range(5)]
    assert wrong == [200] * 5
    # Even the right one has to wait.
    answer = client.post(CODE, {"code": phone_shows(aigul)})
    assert "try again in" in answer.content.decode()
    assert "wrong code, account aigul" in caplog.text
    clock.shift(timedelta(minutes=1))
    assert client.post(CODE, {"code": phone_shows(aigul)}).url == INDEX


def test_on_a_full_disk_the_phone_lets_in_and_still_only_once(
    aigul, with_phone, monkeypatch, clock
):
    def full(*_args, **_options):
        raise OperationalError("database or disk is full")

    kept = StaticToken.objects.count()
    with monkeypatch.context() as patch:
        for name in ("save", "delete"):
            patch.setattr(StaticToken, name, full)
        patch.setattr(TOTPDevice, "save", full)
        code = phone_shows(aigul)
        assert sign_in().post(CODE, {"code": code}).url == INDEX
        again = sign_in().post(CODE, {"code": code})
        assert "used already" in again.content.decode()
        # Nor can codes be tried through.
        asked = sign_in()
        tried = [asked.post(CODE, {"code": f"{n:06}"}) for n in range(3)]
        assert "try again in" in tried[-1].content.decode()
        # One for the phone's loss could not be used up.
        client = sign_in()
        client.raise_request_exception = False
        assert client.post(CODE, {"code": with_phone[0]}).status_code == 503
    clock.shift(timedelta(minutes=5))
    assert sign_in().post(CODE, {"code": phone_shows(aigul)}).url == INDEX
    assert StaticToken.objects.count() == kept
    assert second_factor._in_memory == {}


def test_each_recovery_code_lets_in_once(aigul, with_phone):
    client = sign_in()
    assert "Recovery code" in page(client, f"{CODE}?recovery=1")
    typed = with_phone[0].upper().replace("-", " ")
    answer = client.post(CODE, {"code": typed}, follow=True)
    assert "9 recovery codes are left" in messages_of(answer)
    assert sign_in().post(CODE, {"code": with_phone[0]}).status_code == 200
    assert "recovery code" in LogEntry.objects.latest("pk").get_change_message()


def test_a_session_that_had_no_phone_is_asked_once_there_is_one(aigul, clock):
    elsewhere = sign_in()
    assert elsewhere.get(INDEX).status_code == 200
    set_up(sign_in())
    assert elsewhere.get(INDEX).url.startswith(CODE)


def test_another_persons_code_opens_nothing(aigul, with_phone, settings):
    set_staff("olga", role="viewer", password=PASSWORD)
    codes = set_up(sign_in("olga"))
    client = sign_in()
    for code in (codes[0], phone_shows(User.objects.get(username="olga"))):
        assert client.post(CODE, {"code": code}).status_code == 200


def test_a_temporary_password_is_changed_after_the_code(aigul, with_phone):
    TemporaryPassword.objects.create(user=aigul, given_at=timezone.now())
    client = sign_in()
    assert client.get(INDEX).url.startswith(CODE)
    client.post(CODE, {"code": phone_shows(aigul)})
    assert client.get(INDEX).url.startswith(reverse("admin:password_change"))


def test_being_asked_costs_no_query(aigul, with_phone, django_assert_num_queries):
    client = sign_in()
    # The session and the account.
    with django_assert_num_queries(2):
        assert client.get(ORDERS).status_code == 302
    client.post(CODE, {"code": phone_shows(aigul)})
    with django_assert_num_queries(2):
        assert client.get(CODE).status_code == 302


# --- Required -------------------------------------------------------------------------


def test_the_roles_that_may_be_named_are_the_roles():
    from django.conf import settings as live

    assert live.SETTING_DECLARATIONS["SECOND_FACTOR_FOR"].choices == ROLES


def test_whose_role_requires_it_can_do_nothing_else_before(aigul, settings):
    client = sign_in()
    assert client.get(INDEX).status_code == 200
    settings.SECOND_FACTOR_FOR = ["owner", "operator"]
    for url in (INDEX, ORDERS, SECURITY):
        assert client.get(url).url.startswith(SET_UP)
    assert client.post(reverse("admin:build_feed_now")).url == SET_UP
    assert "requires a code" in page(client, SET_UP)
    assert set_up(client) != []
    assert client.get(INDEX).status_code == 200


def test_other_roles_work_as_before_and_superusers_are_owners(settings):
    settings.SECOND_FACTOR_FOR = ["owner"]
    assert log_in(settings, "viewer").get(INDEX).status_code == 200
    client: Any = Client()
    client.force_login(User.objects.create_superuser("root"))
    assert client.get(INDEX).url.startswith(SET_UP)


def test_the_owner_requires_it_on_the_settings_page(settings, aigul):
    owner = log_in(settings, "owner")
    url = reverse("owner_settings")
    assert "SECOND_FACTOR_FOR" in page(owner, url)
    form = {
        "SECOND_FACTOR_FOR": ["packer", "operator"],
        "initial-SECOND_FACTOR_FOR": "",
    }
    shown = owner.post(url, form)
    assert "packer, operator" in shown.content.decode()
    owner.post(url, {**form, "confirmed": "1"})
    with settled(anew=True) as adjusted:
        assert adjusted.values.get("SECOND_FACTOR_FOR") == ["packer", "operator"]


# --- One's own page -------------------------------------------------------------------


@pytest.fixture
def through(aigul, with_phone, clock):
    """Give the browser of somebody who has signed in with the code."""
    client = sign_in()
    assert client.post(CODE, {"code": phone_shows(aigul)}).url == INDEX
    clock.shift(timedelta(minutes=1))
    return client


def test_everybody_has_a_page_of_their_own_sign_in(settings):
    for role in ROLES:
        shown = page(log_in(settings, role), SECURITY)
        assert "Code from the phone" in shown
        assert SET_UP in shown


def test_new_codes_end_the_former_ones_and_want_a_code(aigul, through, with_phone):
    url = reverse("renew_recovery_codes")
    assert through.post(url, {"code": "000000"}).status_code == 200
    assert second_factor.check_code(aigul, with_phone[1])
    answer = through.post(url, {"code": with_phone[2]})
    new = re.findall(r"<li><code>([^<]+)</code>", answer.content.decode())
    assert len(new) == 10
    assert not set(new) & set(with_phone)
    assert not second_factor.check_code(aigul, with_phone[3])


def test_the_phone_is_switched_off_with_a_code_only(aigul, through):
    url = reverse("turn_second_factor_off")
    assert through.post(url, {"code": ""}).status_code == 200
    assert TOTPDevice.objects.exists()
    answer = through.post(url, {"code": phone_shows(aigul)}, follow=True)
    assert "switched off" in messages_of(answer)
    assert not StaticToken.objects.exists()
    assert sign_in().get(INDEX).status_code == 200


def test_a_required_phone_is_only_ever_changed(aigul, through, settings):
    settings.SECOND_FACTOR_FOR = ["operator"]
    url = reverse("turn_second_factor_off")
    assert "requires the code" in page(through, url)
    through.post(url, {"code": phone_shows(aigul)})
    assert through.get(INDEX).url.startswith(SET_UP)


def test_one_signs_oneself_out_everywhere_else(aigul):
    here, there = sign_in(), sign_in()
    assert "1 other device" in page(here, SECURITY)
    url = reverse("end_other_sessions")
    assert here.get(url).status_code == 405
    assert "1 session ended" in messages_of(here.post(url, follow=True))
    assert there.get(INDEX).url.startswith(LOGIN)
    assert here.get(INDEX).status_code == 200


# --- Lost -----------------------------------------------------------------------------


def test_the_owner_takes_a_lost_phone_away(settings, aigul, with_phone):
    owner = log_in(settings, "owner")
    person = reverse("admin:auth_user_change", args=[aigul.pk])
    take = reverse("admin:take_second_factor", args=[aigul.pk])
    assert take in page(owner, person)
    answer = owner.post(take, follow=True)
    assert "without a code" in messages_of(answer)
    assert take not in page(owner, person)
    assert sign_in().get(INDEX).status_code == 200
    told = LogEntry.objects.latest("pk")
    assert (told.user.username, told.object_id) == ("owner", str(aigul.pk))


def test_an_owners_own_phone_goes_with_a_code_only(settings):
    owner: Any = log_in(settings, "owner")
    user = User.objects.get(username="owner")
    set_up(owner)
    answer = owner.post(reverse("admin:take_second_factor", args=[user.pk]))
    assert answer.url == reverse("turn_second_factor_off")
    assert TOTPDevice.objects.exists()


@pytest.mark.parametrize("role", ["viewer", "packer", "operator"])
def test_nobody_else_takes_it_away(settings, aigul, with_phone, role):
    client = log_in(settings, role)
    url = reverse("admin:take_second_factor", args=[aigul.pk])
    assert (client.get(url).status_code, client.post(url).status_code) == (403, 403)
    assert TOTPDevice.objects.exists()


def test_a_command_takes_it_away_where_no_owner_can(aigul, with_phone):
    call_command("let_in", "aigul")
    assert TOTPDevice.objects.exists()
    call_command("let_in", "aigul", "--without-phone")
    assert sign_in().get(INDEX).status_code == 200


# --- How long a sign-in lasts ---------------------------------------------------------


def test_the_password_is_asked_for_again_after_the_set_time(aigul, settings, clock):
    settings.SESSION_HOURS = 8
    client = sign_in()
    clock.shift(timedelta(hours=7, minutes=59))
    assert client.get(ORDERS).status_code == 200
    clock.shift(timedelta(minutes=2))
    assert client.get(ORDERS).url.startswith(LOGIN)


def test_a_shorter_time_counts_at_once_and_owners_have_their_own(settings, clock):
    settings.SESSION_HOURS, settings.OWNER_SESSION_HOURS = 100, 50
    operator: Any = log_in(settings, "operator")
    owner: Any = log_in(settings, "owner")
    clock.shift(timedelta(hours=51))
    answer = owner.get(f"{ORDERS}?q=7")
    assert answer.url.startswith(LOGIN)
    assert "q%3D7" in answer.url
    assert operator.get(INDEX).status_code == 200
    settings.SESSION_HOURS = 40
    assert operator.get(INDEX).url.startswith(LOGIN)


def test_the_cookie_lasts_as_long_as_the_sign_in(aigul, settings):
    settings.SESSION_HOURS = 500
    cookie = sign_in().cookies["sessionid"]
    assert cookie["max-age"] == 500 * 3600
