"""Each alert speaks the language of whoever receives it, whoever raises it."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone, translation

from alerts.channels import sync_environment
from alerts.following import words_of
from alerts.models import Alert, Channel
from alerts.sending import send_test
from bridge_site.alerting import look, make_watch
from plumbing.leases import under_lease
from tests.alerts.receiver import Receiver
from tests.bridge_site.test_alerting import (  # noqa: F401  (a fixture)
    CASES,
    healthy,
    list_old,
    stick,
    unread,
)
from tests.staff import log_in, page

pytestmark = pytest.mark.django_db(transaction=True)
# The letters that Kazakh has and Russian has not.
KAZAKH = set("әғқңөұүһі")


@pytest.fixture(autouse=True)
def at_any_hour(settings: Any) -> None:
    settings.ALERT_QUIET_HOURS = None
    settings.DIGEST_AT = None


@pytest.fixture
def receivers(settings: Any) -> Iterator[dict[str, Receiver]]:
    """Somebody who reads Russian, and somebody who reads Kazakh."""
    with Receiver() as russian, Receiver() as kazakh:
        found = {"ru": russian, "kk": kazakh}
        settings.ALERT_URLS = [receiver.address for receiver in found.values()]
        sync_environment()
        for language, channel in zip(
            found, Channel.objects.order_by("pk"), strict=True
        ):
            Channel.objects.filter(pk=channel.pk).update(language=language)
        yield found


def run_as_a_worker_does() -> None:
    """Look once, in a thread in which nobody has chosen a language."""

    def work() -> None:
        translation.deactivate_all()
        with under_lease("watch") as lease:
            make_watch().round(lease, now=timezone.now())
        connection.close()

    thread = Thread(target=work)
    thread.start()
    thread.join()


@pytest.mark.parametrize("happen", [c[0] for c in CASES], ids=lambda c: c.__name__)
def test_every_alert_has_its_words_in_russian_and_in_kazakh(happen):
    happen()
    said = {}
    for language in ("ru", "kk"):
        with translation.override(language):
            (said[language],) = words_of(look(timezone.now())).values()
    assert not KAZAKH & set(" ".join(said["ru"]).lower())
    assert KAZAKH & set(said["kk"][0].lower())
    assert all(ru != kk for ru, kk in zip(said["ru"], said["kk"], strict=True))


def test_each_receiver_is_told_in_a_language_though_a_worker_has_none(receivers):
    unread()
    list_old()
    run_as_a_worker_does()
    (russian,), (kazakh,) = (r.take_texts() for r in receivers.values())
    assert russian.startswith("2 новых оповещения\nНовое:\n• ")
    assert "Заказы последний раз прочитаны" in russian
    assert "Последняя сборка прайс-листа" in russian
    assert kazakh.startswith("2 жаңа хабарлама\nЖаңа:\n• ")
    assert "Тапсырыстар соңғы рет" in kazakh
    assert "Прайс-парақ соңғы рет жасалды" in kazakh
    assert not KAZAKH & set(russian)


def test_repeated_and_over_it_keeps_its_receivers_language(receivers):
    undo = list_old()
    run_as_a_worker_does()
    for receiver in receivers.values():
        receiver.take_texts()
    undo()
    run_as_a_worker_does()
    (russian,), (kazakh,) = (r.take_texts() for r in receivers.values())
    assert "Закончилось:\n✓ Последняя сборка прайс-листа" in russian
    assert "Аяқталды:\n✓ Прайс-парақ соңғы рет жасалды" in kazakh


def test_the_digest_and_the_test_message_speak_it_too(receivers, settings):
    settings.DIGEST_AT = timezone.localtime().time()
    run_as_a_worker_does()
    (russian,), (kazakh,) = (r.take_texts() for r in receivers.values())
    assert russian.startswith("Итоги дня")
    assert "Сейчас в продаже" in russian
    assert kazakh.startswith("Күн қорытындысы")
    assert "Қазір сатылымда" in kazakh
    send_test(Channel.objects.get(language="kk"), actor="olga", now=timezone.now())
    assert "Сынақ хабар" in receivers["kk"].take_texts()[0]


def test_a_channel_speaks_russian_until_another_language_is_chosen(settings):
    settings.ALERT_URLS = ["json://127.0.0.1:9/aaaaaaaaaa"]
    stick()
    run_as_a_worker_does()
    channel = Channel.objects.get()
    assert channel.language == "ru"
    assert Alert.objects.get().translations == {}
    owner = log_in(settings, "owner", language="ru")
    address = f"/admin/alerts/channel/{channel.pk}/change/"
    assert "Язык сообщений" in page(owner, address)
    owner.post(
        address,
        {"name": "Ұялы", "audience": "all", "language": "kk", "is_active": "on"},
    )
    run_as_a_worker_does()
    reader = log_in(settings, "operator", language="kk")
    assert "Тапсырыс шешім күтіп тұр" in page(reader, "/admin/alerts/alert/")
