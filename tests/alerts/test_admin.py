"""Staff's pages of the alerts: acknowledge, channels, messages."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from alerts.models import Alert, Channel, Notice
from plumbing.leases import database_now
from tests.alerts.receiver import PATH
from tests.staff import HOSTILE, log_in, messages_of, page

pytestmark = pytest.mark.django_db
LIST = "/admin/alerts/alert/"
CHANNELS = "/admin/alerts/channel/"


def make_alert(subject: str = "7", **values: object) -> Alert:
    defaults = {
        "kind": "leak",
        "title": "Leak",
        "source": "cellar",
        "text": "It drips",
        "tone": "bad",
        "opened_at": database_now(),
    }
    return Alert.objects.create(subject=subject, **{**defaults, **values})


def acknowledge_chosen(client, *alerts):
    data = {
        "action": "acknowledge_chosen",
        "_selected_action": [a.pk for a in alerts],
    }
    return client.post(LIST, data, follow=True)


def new_channel(client, address: str, **values: str):
    data = {
        "name": "Desk",
        "address": address,
        "audience": "all",
        "language": "en",
        "is_active": "on",
    }
    return client.post(f"{CHANNELS}add/", {**data, **values}, follow=True)


def test_open_alerts_are_listed_and_found(settings):
    client = log_in(settings, "viewer")
    make_alert(text=HOSTILE)
    make_alert("8", text="Long ago", closed_at=database_now())
    text = page(client, LIST)
    assert "<script>alert" not in text
    assert "Long ago" not in text
    assert "Long ago" in page(client, LIST, state="over")
    assert "Long ago" in page(client, LIST, state="all", kind="leak")
    assert "Long ago" in page(client, LIST, state="all", q="ago")


def test_many_are_acknowledged_at_once(settings):
    client = log_in(settings, "operator")
    first, second = make_alert("1"), make_alert("2")
    over = make_alert("3", closed_at=database_now())
    response = acknowledge_chosen(client, first, second)
    assert "2 done, 0 skipped" in messages_of(response)
    assert "0 done, 2 skipped" in messages_of(acknowledge_chosen(client, first, second))
    assert not Alert.objects.unacknowledged().exists()
    over.refresh_from_db()
    assert over.acknowledged_at is None
    assert LogEntry.objects.filter(change_message="Acknowledged").count() == 2


def test_one_is_acknowledged_on_its_page(settings):
    client = log_in(settings, "operator")
    alert = make_alert(url="/admin/orders/order/")
    text = page(client, f"{LIST}{alert.pk}/change/")
    assert 'href="/admin/orders/order/"' in text
    url = reverse("admin:acknowledge_alert", args=[alert.pk])
    assert url in text
    assert client.get(url).status_code == 403
    assert "its end is told" in messages_of(client.post(url, follow=True))
    alert.refresh_from_db()
    assert alert.acknowledged_by == "operator"
    assert url not in page(client, f"{LIST}{alert.pk}/change/")
    assert "acknowledged before" in messages_of(client.post(url, follow=True))


def test_a_viewer_acknowledges_nothing(settings):
    client = log_in(settings, "viewer")
    alert = make_alert()
    url = reverse("admin:acknowledge_alert", args=[alert.pk])
    assert client.post(url).status_code == 403
    acknowledge_chosen(client, alert)
    assert Alert.objects.unacknowledged().count() == 1
    assert url not in page(client, f"{LIST}{alert.pk}/change/")


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_channels_are_the_owners(settings, role, channel):
    client = log_in(settings, role)
    for url in (CHANNELS, f"{CHANNELS}add/", f"{CHANNELS}{channel.pk}/change/"):
        assert client.get(url).status_code == 403
    test = reverse("admin:test_channel", args=[channel.pk])
    assert client.post(test).status_code == 403
    assert new_channel(client, "json://127.0.0.1:9/x").status_code == 403
    assert Channel.objects.count() == 1


def test_an_owner_adds_a_channel_and_tries_it(settings, receiver, caplog):
    client = log_in(settings, "owner")
    response = new_channel(client, receiver.address)
    channel = Channel.objects.get()
    assert channel.scheme == "json"
    page_url = f"{CHANNELS}{channel.pk}/change/"
    test = reverse("admin:test_channel", args=[channel.pk])
    assert client.get(test).status_code == 403
    sent = client.post(test, follow=True)
    assert "The message was taken" in messages_of(sent)
    assert "Sent by owner" in receiver.texts()[0]
    receiver.status = 500
    failed = client.post(test, follow=True)
    assert "The message did not arrive" in messages_of(failed)
    # Nowhere is the address to be seen again.
    shown = [response, sent, failed, client.get(page_url), client.get(CHANNELS)]
    shown += [client.get(f"{CHANNELS}{channel.pk}/history/")]
    shown += [client.get("/admin/alerts/notice/"), client.get("/admin/")]
    for answer in shown:
        assert PATH not in answer.content.decode()
        assert channel.sealed_url not in answer.content.decode()
    assert "json://***" in client.get(page_url).content.decode()
    assert PATH not in caplog.text
    assert PATH not in str(list(LogEntry.objects.values()))


def test_an_address_left_blank_stays_and_a_new_one_replaces_it(settings, receiver):
    client = log_in(settings, "owner")
    new_channel(client, receiver.address)
    kept = Channel.objects.get()
    url = f"{CHANNELS}{kept.pk}/change/"
    data = {
        "name": "Desk 2",
        "address": "",
        "audience": "owner",
        "language": "ru",
        "is_active": "on",
    }
    client.post(url, data)
    channel = Channel.objects.get()
    assert (channel.name, channel.audience) == ("Desk 2", "owner")
    assert channel.sealed_url == kept.sealed_url
    client.post(url, {**data, "address": "ntfy://topic-of-the-desk"})
    assert Channel.objects.get().scheme == "ntfy"
    assert Channel.objects.get().sealed_url != kept.sealed_url


def test_an_address_that_cannot_be_used_is_an_error_of_the_form(settings):
    client = log_in(settings, "owner")
    response = new_channel(client, "nosuch://secret-of-mine")
    text = response.content.decode()
    assert "Apprise does not understand the address" in text
    assert not Channel.objects.exists()
    assert "This field is required" in new_channel(client, "").content.decode()


def test_a_channel_of_the_environment_is_changed_there(settings, channel):
    client = log_in(settings, "owner")
    text = page(client, f"{CHANNELS}{channel.pk}/change/")
    assert "set in ALERT_URLS" in text
    assert 'name="address"' not in text
    assert "deletelink" not in text
    data = {
        "name": "Phone",
        "audience": "owner",
        "language": "ru",
        "address": "json://evil/x",
    }
    client.post(f"{CHANNELS}{channel.pk}/change/", data)
    channel.refresh_from_db()
    assert (channel.name, channel.audience) == ("Phone", "owner")
    assert channel.sealed_url == ""
    delete = f"{CHANNELS}{channel.pk}/delete/"
    assert client.post(delete, {"post": "yes"}).status_code == 403


def test_a_channel_goes_with_its_messages_and_the_alerts_stay(settings):
    client = log_in(settings, "owner")
    channel = Channel.objects.create(name="Old phone", scheme="tgram", sealed_url="x")
    alert, now = make_alert(), database_now()
    notice = Notice.objects.create(
        channel=channel, kind="alerts", title="x", created_at=now, not_before=now
    )
    notice.alerts.add(alert)
    delete = f"{CHANNELS}{channel.pk}/delete/"
    assert "Old phone" in page(client, delete)
    assert client.post(delete, {"post": "yes"}).status_code == 302
    assert not Channel.objects.exists()
    assert not Notice.objects.exists()
    assert list(Alert.objects.all()) == [alert]


def test_messages_are_kept_and_nobody_writes_them(settings, channel):
    now = database_now()
    for values in (
        {"sent_at": now},
        {"error": "HTTP 500", "given_up_at": now},
        {"error": "HTTP 502"},
        {},
    ):
        Notice.objects.create(
            channel=channel,
            kind=Notice.Kind.ALERTS,
            title=HOSTILE,
            body=HOSTILE,
            created_at=now,
            not_before=now,
            **values,
        )
    client = log_in(settings, "viewer")
    text = page(client, "/admin/alerts/notice/")
    for words in ("delivered", "given up", "is tried again", "waiting", "HTTP 500"):
        assert words in text
    notice = Notice.objects.latest("pk")
    text = page(client, f"/admin/alerts/notice/{notice.pk}/change/")
    assert "<script>alert" not in text
    assert client.get("/admin/alerts/notice/add/").status_code == 403


def test_lists_take_few_queries(settings, channel, django_assert_max_num_queries):
    client = log_in(settings, "owner")
    now = database_now()
    for number in range(60):
        alert = make_alert(str(number))
        notice = Notice.objects.create(
            channel=channel,
            kind=Notice.Kind.ALERTS,
            title="t",
            body="b",
            created_at=now,
            not_before=now,
        )
        notice.alerts.add(alert)
    for url in (LIST, CHANNELS, "/admin/alerts/notice/"):
        page(client, url)
        with django_assert_max_num_queries(12):
            page(client, url)
