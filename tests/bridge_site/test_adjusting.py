from __future__ import annotations

import dataclasses
import re
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings as live
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_q.models import Schedule

from bridge_site.adjustable import ADJUSTABLE, FIXED, UNSHOWN
from bridge_site.adjusting.fields import raw_of, told
from bridge_site.adjusting.history import read_changes
from bridge_site.adjusting.saving import SetElsewhere, save_settings
from bridge_site.schedules import sync_schedules
from plumbing.adjusting import settled
from plumbing.models import AdjustedSetting
from tests.staff import log_in, messages_of, page, queued

URL = "owner_settings"
CONFIRMING = "confirm-settings"


@pytest.fixture
def owner(db: None, settings: Any) -> Client:
    return log_in(settings, "owner")


def somebody() -> User:
    return User.objects.get_or_create(username="aigul")[0]


def as_shown(html: str, form_class: str = "settings") -> dict[str, Any]:
    """Give what a browser would post, were the form sent as it is."""
    data: dict[str, Any] = {}
    form = html.split(f'class="{form_class}"')[1].split("</form>")[0]
    for tag in re.findall(r"<input[^>]*>", form):
        name = re.search(r'name="([^"]+)"', tag)
        if name is None or ('type="checkbox"' in tag and "checked" not in tag):
            continue
        value = re.search(r'value="([^"]*)"', tag)
        data.setdefault(name[1], []).append(value[1] if value else "")
    for name, body in re.findall(r'<textarea name="(\w+)"[^>]*>\n?(.*?)</', form, re.S):
        data[name] = [body]
    for name, body in re.findall(
        r'<select name="(\w+)"[^>]*>(.*?)</select>', form, re.S
    ):
        data[name] = re.findall(r'value="(\w*)" selected', body)
    return data


def change(owner: Client, **values: Any) -> Any:
    """Change these on the page, and confirm what is then shown."""
    data = as_shown(page(owner, reverse(URL)))
    return confirm(owner, owner.post(reverse(URL), {**data, **values}, follow=True))


def confirm(owner: Client, shown: Any) -> Any:
    """Press "Save" on the page that shows what would change, if it is that page."""
    text = shown.content.decode()
    if CONFIRMING not in text:
        return shown
    data = as_shown(text, CONFIRMING)
    return owner.post(shown.request["PATH_INFO"], data, follow=True)


@pytest.mark.parametrize("setting", ADJUSTABLE.values(), ids=lambda s: s.name)
def test_a_default_is_written_and_read_back_as_itself(setting):
    default = setting.declared.default
    if raw := raw_of(default):
        assert setting.parse(raw) == default
    assert told(setting, default)


@pytest.mark.parametrize("setting", ADJUSTABLE.values(), ids=lambda s: s.name)
def test_choices_and_warnings_are_values_that_it_may_have(setting):
    declared = setting.declared
    if declared.choices:
        assert set(setting.choices) == set(declared.choices)
    for value in setting.warnings or {}:
        assert setting.parse(raw_of(value)) == value
        assert value != declared.default


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_settings_are_the_owners_alone(settings, role):
    client = log_in(settings, role)
    for name in (URL, "owner_settings_observing", "owner_settings_history"):
        assert client.get(reverse(name)).status_code == 403
        assert client.post(reverse(name), {"observe": "1"}).status_code == 403
    assert client.post(reverse("owner_settings_back", args=[1])).status_code == 403
    assert reverse(URL) not in page(client, reverse("admin:index"))


def test_the_page_names_each_setting_and_where_its_value_is_from(owner):
    text = page(owner, reverse(URL))
    for name in [*ADJUSTABLE, *(n for names in FIXED.values() for n in names)]:
        assert f">{name}<" in text, name
    assert "set in the environment, which wins" in text
    assert reverse(URL) in page(owner, reverse("admin:index"))


def test_no_secret_is_shown(owner):
    text = page(owner, reverse(URL))
    for name in UNSHOWN - {"DATABASE_URL"}:
        if value := str(getattr(live, name)):
            assert value not in text, name


def test_sent_as_it_is_nothing_changes(owner):
    response = change(owner)
    assert "Nothing was changed" in messages_of(response)
    assert not AdjustedSetting.objects.exists()


def test_changes_are_shown_with_their_consequence_before_they_are_saved(owner):
    data = as_shown(page(owner, reverse(URL)))
    data |= {"STOCK_CAP": "30", "AUTO_CANCEL_OUT_OF_STOCK": "1"}
    data |= {"SUPPLIER_WORK_WEEK": ["1", "2"]}
    asked = owner.post(reverse(URL), data)
    text = asked.content.decode()
    assert "500" in text
    assert "Orders will be cancelled without a person" in text
    assert not AdjustedSetting.objects.exists()
    posted = as_shown(text, CONFIRMING)
    assert posted["STOCK_CAP"] == ["30"]
    saved = owner.post(reverse(URL), posted, follow=True)
    assert "3 settings were changed" in messages_of(saved)
    with settled():
        assert live.STOCK_CAP == 30
        assert live.AUTO_CANCEL_OUT_OF_STOCK is True


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"STOCK_CAP": "0"}, "greater than or equal to 1"),
        ({"STOCK_CAP": "many"}, "whole number"),
        ({"COMPLETE_SHARE_PERCENT": "101"}, "less than or equal to 100"),
        ({"PRICE_TOLERANCE_PERCENT": "-1"}, "greater than or equal to 0"),
        ({"WORK_WEEK_0": "20-10"}, "Mon: write hours"),
        ({"HOLIDAYS": "31.02.2027"}, "is no day"),
        ({"SYNC_STOCK_EVERY_MIN": "200"}, "all would go off sale"),
        ({"LEAST_STOCK_TO_LIST": "501"}, "enough pieces"),
        ({"ALERT_QUIET_HOURS": "22"}, "write it as described"),
        ({"DIGEST_AT": "25:00"}, "write it as described"),
        # "Never again", in minutes that no calendar holds: the watch would end by it.
        ({"ALERT_REPEAT_MIN": "30,9999999999"}, "write it as described"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(owner, values, said):
    response = change(owner, **values)
    assert said in response.content.decode()
    assert not AdjustedSetting.objects.exists()


def test_days_are_written_as_people_do(owner):
    response = change(
        owner,
        HOLIDAYS="02.01.2027, 01.01.2027\n2027-03-08",
        SUPPLIER_WORK_WEEK=["1", "6"],
        WORK_WEEK_6="11–15",
        PRICE_TOLERANCE_PERCENT="2.5",
    )
    assert "4 settings were changed" in messages_of(response)
    with settled():
        assert live.HOLIDAYS == ["2027-01-01", "2027-01-02", "2027-03-08"]
        assert live.SUPPLIER_WORK_WEEK == ["1", "6"]
        assert live.WORK_WEEK == ["10-20"] * 6 + ["11-15"]
        assert Decimal("2.5") == live.PRICE_TOLERANCE_PERCENT
    shown = page(owner, reverse(URL))
    assert "01.01.2027\n02.01.2027\n08.03.2027" in shown
    assert "Nothing was changed" in messages_of(change(owner))


def test_what_can_be_off_is_switched_off_with_a_dash(owner):
    change(owner, ALERT_QUIET_HOURS="-", DIGEST_AT="8:30", ALERT_REPEAT_MIN="15, 60")
    with settled():
        assert live.ALERT_QUIET_HOURS is None
        assert f"{live.DIGEST_AT:%H:%M}" == "08:30"
        assert live.ALERT_REPEAT_MIN == [15, 60]
    assert "Nothing was changed" in messages_of(change(owner))


def test_left_empty_or_as_by_default_a_setting_follows_the_default_again(owner):
    change(owner, STOCK_CAP="30", KASPI_MERCHANT_UID="123", AUTO_ACCEPT="0")
    assert AdjustedSetting.objects.count() == 3
    change(owner, STOCK_CAP="", KASPI_MERCHANT_UID="", AUTO_ACCEPT="1")
    assert not AdjustedSetting.objects.exists()


def test_what_another_owner_changed_meanwhile_stays(owner):
    as_first_shown = as_shown(page(owner, reverse(URL)))
    save_settings({"STOCK_CAP": "30"}, by=somebody())
    data = {**as_first_shown, "LEAST_STOCK_TO_LIST": "2"}
    confirm(owner, owner.post(reverse(URL), data))
    with settled():
        assert (live.STOCK_CAP, live.LEAST_STOCK_TO_LIST) == (30, 2)


def test_who_changed_what_is_kept_and_can_be_put_back(owner):
    save_settings({"STOCK_CAP": "30"}, by=somebody())
    change(owner, STOCK_CAP="40")
    newest, first = read_changes()
    assert (newest.who, newest.before, newest.after) == (
        "owner",
        "30\u00a0pcs",
        "40\u00a0pcs",
    )
    assert (first.who, first.before) == ("aigul", "500\u00a0pcs (default)")
    url = reverse("owner_settings_back", args=[newest.pk])
    assert url in page(owner, reverse("owner_settings_history"))
    assert owner.get(url).status_code == 405
    shown = owner.post(url)
    assert AdjustedSetting.objects.get().value == "40"
    confirm(owner, shown)
    assert AdjustedSetting.objects.get().value == "30"
    for back in read_changes():
        save_settings({"STOCK_CAP": back.before_raw}, by=somebody())
    assert not AdjustedSetting.objects.exists()
    assert read_changes()[0].after == "500\u00a0pcs (default)"


def test_what_no_longer_fits_the_others_is_not_put_back(owner):
    save_settings({"STOCK_STALE_AFTER_MIN": "15"}, by=somebody())
    save_settings(
        {"STOCK_STALE_AFTER_MIN": None, "SYNC_STOCK_EVERY_MIN": "60"}, by=somebody()
    )
    back = next(each for each in read_changes() if each.before_raw == "15")
    url = reverse("owner_settings_back", args=[back.pk])
    response = owner.post(url, follow=True)
    assert "all would go off sale" in messages_of(confirm(owner, response))
    assert list(AdjustedSetting.objects.values_list("name", flat=True)) == [
        "SYNC_STOCK_EVERY_MIN"
    ]


@pytest.mark.django_db
def test_how_often_things_are_read_takes_effect_with_the_change(settings):
    sync_schedules(now=timezone.now())
    save_settings({"POLL_ORDERS_EVERY_MIN": "2"}, by=somebody())
    assert Schedule.objects.get(name="poll-orders").minutes == 2
    save_settings({"POLL_ORDERS_EVERY_MIN": None}, by=somebody())
    assert Schedule.objects.get(name="poll-orders").minutes == 5


@pytest.mark.django_db
def test_what_a_change_asks_for_is_queued(settings):
    save_settings({"HOLIDAYS": "2027-01-01", "STOCK_CAP": "9"}, by=somebody())
    assert queued() == ["feeds.tasks.build_feed", "orders.tasks.refresh_orders"]


@pytest.mark.django_db
def test_what_the_environment_sets_is_not_stored():
    with pytest.raises(SetElsewhere):
        save_settings({"SUPERVISE_FIRST_PURCHASE": "1"}, by=somebody())
    with pytest.raises(ValueError, match="whole number"):
        save_settings({"LEAST_STOCK_TO_LIST": "2", "STOCK_CAP": "x"}, by=somebody())
    assert not AdjustedSetting.objects.exists()


def test_observing_begins_at_a_click_and_ends_after_a_question(owner):
    url = reverse("owner_settings_observing")
    response = owner.post(url, {"observe": "1"}, follow=True)
    assert "Observing only: on" in messages_of(response)
    with settled():
        assert bool(live.OBSERVE_ONLY)
    assert "writes for real" in page(owner, url)
    with settled():
        assert bool(live.OBSERVE_ONLY)
    owner.post(url)
    with settled():
        assert not bool(live.OBSERVE_ONLY)
    assert [change.setting.name for change in read_changes()] == ["OBSERVE_ONLY"] * 2
    assert "owner_settings_back" not in page(owner, reverse("owner_settings_history"))


def test_observing_that_the_environment_settles_has_no_button(owner, monkeypatch):
    declared = live.SETTING_DECLARATIONS["OBSERVE_ONLY"]
    fixed = dataclasses.replace(declared, is_set=True)
    monkeypatch.setitem(live.SETTING_DECLARATIONS, "OBSERVE_ONLY", fixed)
    url = reverse("owner_settings_observing")
    assert f'action="{url}"' not in page(owner, reverse(URL))
    response = owner.post(url, {"observe": "1"}, follow=True)
    assert "set in the environment" in messages_of(response)
    assert not AdjustedSetting.objects.exists()
