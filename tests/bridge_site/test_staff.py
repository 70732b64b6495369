"""The staff's accounts, as an owner keeps them."""

from __future__ import annotations

import inspect
import re
import threading

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db.models import ProtectedError
from django.db.transaction import atomic
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bridge_site.models import TemporaryPassword
from bridge_site.roles import OWNER, LastOwner, set_staff, sync_roles
from bridge_site.staff import accounts
from bridge_site.staff.accounts import close_access, give_role, role_of
from orders.plan.events import record
from tests.orders.factories import make_order
from tests.staff import log_in, messages_of, page

pytestmark = pytest.mark.django_db
NEW = reverse("admin:auth_user_add")
LIST = reverse("admin:auth_user_changelist")
AIGUL = {
    "username": "aigul",
    "first_name": "Айгуль",
    "last_name": "Сатпаева",
    "email": "",
    "role": "operator",
    "chosen_password": "",
}


@pytest.fixture
def owner(settings):
    return log_in(settings, "owner")


def about(name, user):
    return reverse(f"admin:{name}", args=[user.pk])


def hire(owner, **values):
    return owner.post(NEW, {**AIGUL, **values})


def told_password(answer):
    found = re.search(r'class="secret">([^<]+)<', answer.content.decode())
    assert found is not None
    return found[1]


def sign_in(username, password):
    client = Client()
    client.cookies["django_language"] = "en"
    answer = client.post(
        reverse("admin:login"),
        {"username": username, "password": password, "next": reverse("admin:index")},
    )
    return client, answer


def errors_of(answer):
    assert answer.status_code == 200
    return answer.context["adminform"].form.errors


# --- Hiring ---------------------------------------------------------------------------


def test_a_new_person_can_sign_in_with_the_password_told_once(owner):
    answer = hire(owner)
    password = told_password(answer)
    user = User.objects.get(username="aigul")
    assert user.is_staff
    assert role_of(user) == "operator"
    assert "no-store" in answer.headers["Cache-Control"]
    client, signed_in = sign_in("aigul", password)
    assert signed_in.url == reverse("admin:index")
    assert client.get(reverse("admin:index")).url == reverse("admin:password_change")
    assert password not in page(owner, about("auth_user_change", user))


@pytest.mark.parametrize("missing", ["first_name", "role", "username"])
def test_a_person_without_name_or_role_is_not_made(owner, missing):
    assert missing in errors_of(hire(owner, **{missing: ""}))
    assert not User.objects.filter(username="aigul").exists()


@pytest.mark.parametrize(
    "password",
    ["short7!", "password123", "qwertyuiop", "8273645172", "aigul2027", "satpaeva!77"],
)
def test_a_weak_or_name_like_password_is_refused(owner, password):
    assert "chosen_password" in errors_of(hire(owner, chosen_password=password))
    assert not User.objects.filter(username="aigul").exists()


def test_a_chosen_password_is_temporary_too(owner):
    assert (
        told_password(hire(owner, chosen_password="Korzina-na-41")) == "Korzina-na-41"
    )
    user = User.objects.get(username="aigul")
    assert user.check_password("Korzina-na-41")
    assert TemporaryPassword.objects.filter(user=user).exists()


def test_nobody_gets_a_name_that_differs_by_its_case_only(owner):
    hire(owner)
    assert "username" in errors_of(hire(owner, username="AIGUL"))


# --- The first sign-in ----------------------------------------------------------------


@pytest.fixture
def newcomer(owner):
    client, _answer = sign_in("aigul", told_password(hire(owner)))
    return client


def change_password(client, old, new):
    form = {"old_password": old, "new_password1": new, "new_password2": new}
    return client.post(reverse("admin:password_change"), form)


def test_nothing_opens_before_the_password_is_changed(newcomer):
    for name in ("admin:index", "admin:orders_order_changelist"):
        answer = newcomer.get(reverse(name))
        assert answer.url == reverse("admin:password_change")
    build = newcomer.post(reverse("admin:build_feed_now"))
    assert build.url == reverse("admin:password_change")
    assert "temporary" in page(newcomer, reverse("admin:password_change"))
    assert newcomer.post(reverse("admin:logout")).status_code in (200, 302)


def test_a_password_of_ones_own_opens_everything(owner):
    old = told_password(hire(owner))
    client, _answer = sign_in("aigul", old)
    answer = change_password(client, old, "Tri-sinih-kota")
    assert answer.url == reverse("admin:index")
    assert client.get(reverse("admin:index")).status_code == 200
    assert not TemporaryPassword.objects.exists()


@pytest.mark.parametrize("new", [None, "aigul-1990", "password123"])
def test_the_new_password_is_neither_the_old_one_nor_a_weak_one(owner, new):
    old = told_password(hire(owner))
    client, _answer = sign_in("aigul", old)
    assert change_password(client, old, new or old).status_code == 200
    assert TemporaryPassword.objects.exists()


def test_a_password_given_anew_is_temporary_and_ends_what_was_open(owner, newcomer):
    user = User.objects.get(username="aigul")
    TemporaryPassword.objects.all().delete()
    assert newcomer.get(reverse("admin:index")).status_code == 200
    url = about("new_staff_password", user)
    answer = owner.post(url, {"chosen_password": ""})
    assert newcomer.get(reverse("admin:index")).url.startswith(reverse("admin:login"))
    client, _answer = sign_in("aigul", told_password(answer))
    assert client.get(reverse("admin:index")).url == reverse("admin:password_change")


def test_the_command_makes_a_temporary_password_too():
    sync_roles()
    client, _answer = sign_in("olga", set_staff("olga", role="viewer"))
    assert client.get(reverse("admin:index")).url == reverse("admin:password_change")


# --- Changing and leaving -------------------------------------------------------------


def test_the_right_to_enter_follows_the_role(owner):
    user = User.objects.create_user("aigul", first_name="Айгуль", password="x")
    assert "no role" in page(owner, LIST)
    form = {"first_name": "Айгуль", "last_name": "", "email": "", "role": "viewer"}
    owner.post(about("auth_user_change", user), form)
    user.refresh_from_db()
    assert user.is_staff
    assert role_of(user) == "viewer"


@pytest.mark.parametrize("role", ["viewer", "packer", "operator"])
def test_an_owner_lets_somebody_see_the_profit_report_and_no_more(owner, role):
    client, _answer = sign_in("aigul", told_password(hire(owner, role=role)))
    user = User.objects.get(username="aigul")
    TemporaryPassword.objects.all().delete()
    report = reverse("admin:orders_booking_changelist")
    assert client.get(report).status_code == 403
    form = {"first_name": "Айгуль", "last_name": "", "email": "", "role": role}
    url = about("auth_user_change", user)
    assert "Sees the profit report" in page(owner, url)
    owner.post(url, {**form, "sees_earnings": "on"})
    assert client.get(report).status_code == 200
    (box,) = re.findall(r'<input[^>]*name="sees_earnings"[^>]*>', page(owner, url))
    assert "checked" in box
    owner.post(url, form)
    assert client.get(report).status_code == 403


def test_who_steps_down_from_owner_does_not_keep_the_profit_report(owner):
    hire(owner, role="owner", sees_earnings="on")
    user = User.objects.get(username="aigul")
    assert user.has_perm("orders.view_booking")
    assert not user.user_permissions.exists()
    form = {"first_name": "Айгуль", "last_name": "", "email": "", "role": "operator"}
    owner.post(about("auth_user_change", user), form)
    assert not User.objects.get(pk=user.pk).has_perm("orders.view_booking")


def test_whoever_leaves_is_out_at_once_and_stays_in_the_history(owner, newcomer):
    user = User.objects.get(username="aigul")
    answer = owner.post(about("close_staff_access", user), follow=True)
    assert "is closed" in messages_of(answer)
    assert newcomer.get(reverse("admin:index")).url.startswith(reverse("admin:login"))
    user.refresh_from_db()
    assert not user.is_active
    # Back again, with another password.
    password = told_password(owner.post(about("restore_staff_access", user)))
    client, _answer = sign_in("aigul", password)
    assert client.get(reverse("admin:index")).url == reverse("admin:password_change")


@pytest.mark.parametrize("role", ["owner", "superuser"])
def test_nobody_can_be_deleted(settings, role):
    client = log_in(settings, "owner")
    if role == "superuser":
        client.force_login(User.objects.create_superuser("root"))
    user = User.objects.create_user("aigul")
    assert client.post(about("auth_user_delete", user)).status_code == 403
    form = {"action": "delete_selected", "_selected_action": [user.pk], "post": "yes"}
    assert client.post(LIST, form).status_code == 403
    assert User.objects.filter(pk=user.pk).exists()


def test_the_last_owner_can_neither_leave_nor_step_down(owner):
    user = User.objects.get(username="owner")
    answer = owner.post(about("close_staff_access", user), follow=True)
    assert "only owner" in messages_of(answer)
    form = {"first_name": "О", "last_name": "", "email": "", "role": "operator"}
    assert "role" in errors_of(owner.post(about("auth_user_change", user), form))
    user.refresh_from_db()
    assert user.is_active
    assert role_of(user) == "owner"


def test_one_of_two_owners_can_step_down(owner):
    set_staff("second", role="owner", password="a-long-password")
    user = User.objects.get(username="owner")
    form = {"first_name": "О", "last_name": "", "email": "", "role": "operator"}
    owner.post(about("auth_user_change", user), form)
    assert role_of(User.objects.get(username="owner")) == "operator"


def test_an_owner_whose_access_is_closed_does_not_count(owner):
    set_staff("second", role="owner", password="a-long-password")
    close_access(User.objects.get(username="second"))
    with pytest.raises(LastOwner):
        give_role(User.objects.get(username="owner"), "viewer")


def test_no_line_of_code_deletes_an_account(owner):
    user = User.objects.get(username="owner")
    for delete in (user.delete, User.objects.filter(pk=user.pk).delete):
        with pytest.raises(ProtectedError, match="never deleted"), atomic():
            delete()
    assert User.objects.filter(pk=user.pk).exists()


def test_the_command_keeps_the_last_owner_too(owner):
    with pytest.raises(CommandError, match="only owner"):
        call_command("create_staff", "owner", "--role", "viewer")
    user = User.objects.get(username="owner")
    assert role_of(user) == "owner"
    assert not TemporaryPassword.objects.filter(user=user).exists()


@pytest.fixture
def two_owners(transactional_db):
    sync_roles()
    for name in ("first", "second"):
        set_staff(name, role="owner", password="a-long-password")
    return list(User.objects.order_by("username"))


def owners_left():
    return User.objects.filter(groups__name=OWNER, is_active=True).count()


def demote(user):
    give_role(user, "viewer")


def demote_by_command(user):
    set_staff(user.username, role="viewer", password="a-long-password")


@pytest.mark.parametrize("take_away", [close_access, demote, demote_by_command])
def test_two_owners_cannot_take_each_other_away(in_threads, two_owners, take_away):
    results = in_threads([lambda user=user: take_away(user) for user in two_owners])
    assert [isinstance(result, LastOwner) for result in results].count(True) == 1
    assert not [r for r in results if isinstance(r, Exception)][1:]
    assert owners_left() == 1


def test_without_the_guard_two_owners_leave_none(in_threads, two_owners, monkeypatch):
    both_have_looked = threading.Barrier(2)

    def look_without_waiting(user):
        if owners_left() < 2:
            raise LastOwner
        both_have_looked.wait(30)

    monkeypatch.setattr(accounts, "refuse_last_owner", look_without_waiting)
    # Without its transaction: on SQLite that alone would keep the other one waiting.
    unguarded = inspect.unwrap(give_role)
    results = in_threads([lambda u=u: unguarded(u, "viewer") for u in two_owners])
    assert results == [None, None]
    assert owners_left() == 0


# --- Sessions -------------------------------------------------------------------------


def test_a_button_signs_somebody_out_everywhere(owner, newcomer):
    user = User.objects.get(username="aigul")
    answer = owner.post(about("end_staff_sessions", user), follow=True)
    assert "1 session ended" in messages_of(answer)
    assert newcomer.get(reverse("admin:index")).url.startswith(reverse("admin:login"))
    assert owner.get(reverse("admin:index")).status_code == 200


def test_signing_oneself_out_elsewhere_keeps_the_session_at_hand(owner):
    user = User.objects.get(username="owner")
    elsewhere = Client()
    elsewhere.force_login(user)
    owner.post(about("end_staff_sessions", user))
    assert owner.get(reverse("admin:index")).status_code == 200
    assert elsewhere.get(reverse("admin:index")).status_code == 302
    assert Session.objects.count() == 1


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_only_owners_keep_the_staff(settings, role):
    client = log_in(settings, role)
    user = User.objects.create_user("aigul")
    for name in ("new_staff_password", "end_staff_sessions", "close_staff_access"):
        assert client.get(about(name, user)).status_code == 403
        assert client.post(about(name, user)).status_code == 403
    assert client.get(reverse("admin:staff_deeds")).status_code == 403
    assert client.post(NEW, AIGUL).status_code == 403


def test_a_superusers_account_is_a_superusers_to_change(owner):
    root = User.objects.create_superuser("root", password="kept-as-it-is")
    for name in ("new_staff_password", "end_staff_sessions", "close_staff_access"):
        assert owner.post(about(name, root)).status_code == 403
    root.refresh_from_db()
    assert root.is_active
    assert root.check_password("kept-as-it-is")


# --- Who did what ---------------------------------------------------------------------


def deeds(client, **data):
    answer = client.get(reverse("admin:staff_deeds"), data)
    rows = [deed for _at, deed in answer.context["rows"]]
    return answer, [(deed.who, deed.what) for deed in rows]


def test_a_persons_deeds_are_told_from_both_histories(owner):
    hire(owner)
    order, now = make_order(), timezone.now()
    record(order, "Accepted by hand", now=now, actor="aigul")
    record(order, "Read again", now=now)
    _answer, all_deeds = deeds(owner)
    assert ("aigul", "Accepted by hand") in all_deeds
    assert ("owner", "Added.") in all_deeds
    assert len(all_deeds) == 2
    aigul = User.objects.get(username="aigul")
    assert deeds(owner, person=aigul.pk)[1] == [("aigul", "Accepted by hand")]


def test_older_deeds_are_a_page_further_and_none_is_lost(owner):
    order, now = make_order(), timezone.now()
    user = User.objects.get(username="owner")
    for number in range(40):
        record(order, f"event {number}", now=timezone.now(), actor="owner")
        LogEntry.objects.create(
            user=user,
            action_time=timezone.now(),
            action_flag=2,
            object_repr="x",
            change_message=f"entry {number}",
        )
    assert now < timezone.now()
    seen: list[str] = []
    older: dict[str, int] = {}
    for _page in range(5):
        answer, found = deeds(owner, person=user.pk, **older)
        seen += [what for _who, what in found]
        if answer.context["older"] is None:
            break
        older = dict(zip(("log", "event"), answer.context["older"], strict=True))
    expected = [f"{k} {n}" for n in range(40) for k in ("event", "entry")]
    assert seen == expected[::-1]


def test_the_staffs_pages_take_few_queries(owner, django_assert_max_num_queries):
    for number in range(20):
        set_staff(f"p{number}", role="viewer", password="a-long-password")
    for url in (LIST, reverse("admin:staff_deeds")):
        page(owner, url)
        with django_assert_max_num_queries(12):
            page(owner, url)
