"""Whoever guesses passwords is kept out, told, and let in again by the owner."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
from configparser import RawConfigParser
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from axes.models import AccessAttempt
from django.contrib.admin.models import LogEntry
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bridge_site.roles import set_staff, sync_roles
from plumbing.callers import caller_address, caller_network
from plumbing.logs import JsonFormatter, LineFormatter
from tests.conftest import REQUIRE_ALL
from tests.staff import log_in, messages_of, page

pytestmark = pytest.mark.django_db
LOGIN, INDEX = reverse("admin:login"), reverse("admin:index")
FAIL2BAN = Path(__file__).resolve().parents[2] / "deploy" / "fail2ban"
HERE, ELSEWHERE = "203.0.113.66", "198.51.100.7"
RIGHT = "Korzina-na-41"


@pytest.fixture(autouse=True)
def aigul() -> User:
    sync_roles()
    set_staff("aigul", role="operator", password=RIGHT)
    return User.objects.get(username="aigul")


def sign_in(password, *, username="aigul", address=HERE, language="en", agent="x"):
    client = Client(REMOTE_ADDR=address, HTTP_USER_AGENT=agent)
    client.cookies["django_language"] = language
    form = {"username": username, "password": password, "next": INDEX}
    return client.post(LOGIN, form)


def guess(times=5, **how):
    return [sign_in(f"wrong-{n}", **how).status_code for n in range(times)]


@pytest.fixture
def hashed(monkeypatch):
    """List the passwords that were hashed."""
    seen: list[str] = []
    encode = MD5PasswordHasher.encode

    def note(self, password, salt):
        seen.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", note)
    return seen


@pytest.fixture
def records(caplog):
    """Give what was told of sign-ins."""
    caplog.set_level(logging.INFO, logger="bridge.sign_in")
    return lambda: [r for r in caplog.records if r.name == "bridge.sign_in"]


@pytest.fixture
def lines(records):
    """Give what was told of sign-ins, as it stands in the log."""
    return lambda: [LineFormatter().format(record) for record in records()]


# --- Kept out -------------------------------------------------------------------------


def test_after_five_wrong_passwords_even_the_right_one_is_not_looked_at(hashed):
    assert guess() == [200] * 4 + [429]
    hashed.clear()
    answer = sign_in(RIGHT)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) == 30 * 60
    assert hashed == []


def test_others_and_other_places_stay_open():
    guess()
    set_staff("olga", role="viewer", password=RIGHT)
    assert sign_in(RIGHT, username="olga").url == INDEX
    assert sign_in(RIGHT, address=ELSEWHERE).url == INDEX
    assert sign_in(RIGHT).status_code == 429


@pytest.mark.parametrize(
    "how",
    [
        {"username": "AIGUL"},
        {"username": " aigul "},
        {"agent": "another browser"},
    ],
)
def test_a_guesser_gets_no_more_tries_by_looking_different(how):
    assert guess(3) + guess(2, **how) == [200] * 4 + [429]


def test_all_of_an_ipv6_network_is_one_caller():
    first = guess(3, address="2001:db8:1:2::1")
    assert first + guess(2, address="2001:db8:1:2:ffff::9") == [200] * 4 + [429]
    assert guess(1, address="2001:db8:1:3::1") == [200]


def test_a_name_that_nobody_has_is_locked_in_the_same_words():
    guess()
    guess(username="nobody")
    ours, others = sign_in(RIGHT), sign_in(RIGHT, username="nobody")
    assert (ours.status_code, ours.content) == (others.status_code, others.content)


def test_time_and_the_right_password_open_it_again(settings):
    settings.SIGN_IN_LOCKED_MIN = 10
    guess()
    with time_machine.travel(timezone.now() + timedelta(minutes=9), tick=False):
        # Going on to guess does not prolong it.
        assert guess(3) == [429] * 3
    with time_machine.travel(timezone.now() + timedelta(minutes=11), tick=False):
        assert sign_in(RIGHT).url == INDEX
    assert guess(4) == [200] * 4
    assert sign_in(RIGHT).url == INDEX
    assert guess(4) == [200] * 4


def test_a_flood_leaves_few_rows_and_no_password():
    for agent in range(30):
        guess(1, agent=f"agent {agent}")
    assert AccessAttempt.objects.count() == 5
    kept = str(list(AccessAttempt.objects.values()))
    assert "wrong" not in kept
    later = timezone.now() + timedelta(hours=1)
    with time_machine.travel(later, tick=False):
        guess(1, username="nobody")
    assert AccessAttempt.objects.count() == 1
    with time_machine.travel(later + timedelta(hours=1), tick=False):
        sign_in(RIGHT)
    assert not AccessAttempt.objects.exists()


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("ru", ["Вход временно закрыт", "5 раз подряд", "через 30 минут", "let_in"]),
        ("en", ["closed for a while", "5 times", "in 30 minutes", "Staff"]),
    ],
)
def test_the_page_says_what_to_do(language, said):
    text = [sign_in("wrong", language=language) for _n in range(5)][-1]
    assert [part for part in said if part not in text.content.decode()] == []


def test_a_guess_that_cannot_be_counted_keeps_nobody_out(monkeypatch):
    def full(*_args, **_kwargs):
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(AccessAttempt.objects, "select_for_update", full)
    assert guess(6) == [200] * 6
    assert sign_in(RIGHT).url == INDEX


# --- Let in again ---------------------------------------------------------------------


@pytest.fixture
def owner(settings):
    return log_in(settings, "owner")


def test_the_owner_sees_who_is_locked_out_and_lets_them_in(owner, aigul):
    url = reverse("admin:auth_user_change", args=[aigul.pk])
    unlock = reverse("admin:unlock_staff", args=[aigul.pk])
    assert unlock not in page(owner, url)
    guess()
    assert "sign-in is closed" in page(owner, reverse("admin:auth_user_changelist"))
    shown = page(owner, url)
    assert HERE in shown
    assert unlock in shown
    assert "can sign in again" in messages_of(owner.post(unlock, follow=True))
    assert sign_in(RIGHT).url == INDEX
    assert LogEntry.objects.get().get_change_message() == "Unlock sign-in"


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_nobody_else_lets_in(settings, role, aigul):
    guess()
    url = reverse("admin:unlock_staff", args=[aigul.pk])
    client = log_in(settings, role)
    assert (client.get(url).status_code, client.post(url).status_code) == (403, 403)
    assert sign_in(RIGHT).status_code == 429


def test_a_new_temporary_password_opens_the_way_too(owner, aigul):
    guess()
    url = reverse("admin:new_staff_password", args=[aigul.pk])
    answer = owner.post(url, {"chosen_password": "Tri-sinih-kota"})
    assert answer.status_code == 200
    assert sign_in("Tri-sinih-kota").url == INDEX


def test_a_command_lets_in_where_no_owner_can(capsys):
    guess()
    call_command("let_in", "aigul")
    assert "aigul can sign in" in capsys.readouterr().out
    assert sign_in(RIGHT).url == INDEX
    with pytest.raises(CommandError, match="Nobody is called"):
        call_command("let_in", "nobody")


# --- Told -----------------------------------------------------------------------------


def test_each_refusal_is_one_line_and_tells_no_typed_secret(lines):
    guess(5)
    sign_in(RIGHT)
    sign_in("x", username="my-Secret-password\nWARNING forged")
    sign_in(RIGHT, address=ELSEWHERE)
    told = [line.split(" ", 2)[2] for line in lines()]
    wrong = f"WARNING bridge.sign_in: sign-in refused from {HERE}: "
    assert told == [
        *[f"{wrong}wrong password, account aigul"] * 5,
        f"{wrong}locked out, account aigul",
        f"{wrong}wrong password, account unknown",
        f"INFO bridge.sign_in: signed in from {ELSEWHERE}: aigul",
    ]


def failregex() -> list[re.Pattern[str]]:
    """Read the filter's expressions as fail2ban does."""
    filter_file = RawConfigParser()
    filter_file.read(FAIL2BAN / "filter.conf", encoding="utf-8")
    parts = dict(filter_file["Definition"])
    text = re.sub(r"%\((\w+)\)s", lambda m: parts[m[1]], parts["failregex"])
    text = text.replace("<HOST>", r"(?P<host>\S+)")
    return [re.compile(line) for line in text.splitlines()]


def hosts_in(line: str) -> list[str]:
    return [m["host"] for found in failregex() for m in found.finditer(line)]


def forgeries() -> list[logging.LogRecord]:
    """Make what strangers may write into the log, and a sign-in that went well."""
    line = "sign-in refused from 192.0.2.1: wrong password, account aigul"
    warning, well = (
        ("django.request", logging.WARNING),
        ("bridge.sign_in", logging.INFO),
    )
    told = (
        (warning, f"Not Found: /WARNING bridge.sign_in: {line}"),
        (warning, f'Not Found: /", "logger": "bridge.sign_in", "message": "{line}"'),
        (warning, f"Not Found: /\nWARNING bridge.sign_in: {line}"),
        (well, "signed in from 192.0.2.1: aigul"),
    )
    return [
        logging.LogRecord(name, level, "", 0, text, None, None)
        for (name, level), text in told
    ]


FORMS = pytest.mark.parametrize("form", [LineFormatter(), JsonFormatter()])


@FORMS
def test_fail2bans_filter_finds_refusals_and_nothing_else(records, form):
    guess(2)
    for record in records():
        line = form.format(record)
        for written in (line, f"vps bridge[812]: {line}"):
            assert hosts_in(written) == [HERE]
    for record in forgeries():
        line = form.format(record)
        assert hosts_in(line) + hosts_in(f"vps bridge[812]: {line}") == []


def test_the_filter_knows_lines_with_a_requests_name_and_without_their_date(lines):
    guess(1)
    (line,) = lines()
    for written in (f"{line} [request=0123456789abcdef]", line.split(" ", 2)[2]):
        assert hosts_in(written) == [HERE]


@FORMS
def test_fail2ban_itself_reads_the_lines(records, form, tmp_path):
    program = shutil.which("fail2ban-regex")
    if program is None:
        (pytest.fail if REQUIRE_ALL else pytest.skip)("no fail2ban-regex was found")
    guess(3)
    log = tmp_path / "web.log"
    written = [form.format(record) for record in (*records(), *forgeries())]
    log.write_text("\n".join(written) + "\n", encoding="utf-8")
    found = subprocess.run(
        [program, "-o", "ip", log, FAIL2BAN / "filter.conf"],
        capture_output=True,
        check=True,
        text=True,
    )
    assert found.stdout.split() == [HERE] * 3


def test_refusals_are_told_whatever_the_level_and_others_of_the_same_are_not():
    assert logging.getLogger("bridge.sign_in").level == logging.INFO
    for name in ("axes.handlers.database", "waitress.queue"):
        assert not logging.getLogger(name).isEnabledFor(logging.WARNING)


# --- Whose address --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "address", "network"),
    [
        ("203.0.113.66", "203.0.113.66", "203.0.113.66"),
        ("::ffff:203.0.113.66", "203.0.113.66", "203.0.113.66"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2:3::4", "2001:db8:1:2::"),
        ("localhost", "", ""),
        ("", "", ""),
    ],
)
def test_a_callers_address_is_told_in_one_way(rf, told, address, network):
    request = rf.get("/", REMOTE_ADDR=told, HTTP_X_FORWARDED_FOR="192.0.2.1")
    assert (caller_address(request), caller_network(request)) == (address, network)
