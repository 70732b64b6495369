"""A look is spared only where it would find nothing again."""

import threading

import pytest
from django.db import connection

from plumbing.leases import database_now
from plumbing.models import Heartbeat
from plumbing.stillness import Stillness

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def connected():
    connection.ensure_connection()


def beat(name: str) -> None:
    Heartbeat.objects.update_or_create(
        name=name, defaults={"host": "here", "beaten_at": database_now()}
    )


def beat_elsewhere(name: str) -> None:
    def work() -> None:
        beat(name)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


@pytest.mark.parametrize("write", [beat, beat_elsewhere])
def test_whatever_is_written_is_looked_at(write):
    still = Stillness(again_after_s=5.0)
    assert not still.holds()
    assert not still.look(Heartbeat.objects.exists)
    assert still.holds()
    write("one")
    assert not still.holds()
    assert still.look(Heartbeat.objects.exists)
    # What was found is to be done: there may be more of it.
    assert not still.holds()


def test_what_is_written_during_a_look_is_looked_at():
    still = Stillness(again_after_s=5.0)
    assert not still.look(lambda: beat_elsewhere("one"))
    assert not still.holds()


def test_a_connection_opened_anew_knows_nothing():
    still = Stillness(again_after_s=5.0)
    still.look(lambda: Heartbeat.objects.filter(name="none").exists())
    connection.close()
    assert not still.holds()
    Heartbeat.objects.exists()
    assert not still.holds()


def test_a_look_that_knows_when_something_will_be_due_holds_no_longer():
    still = Stillness(again_after_s=60.0)
    still.look(lambda: still.look_again_within(0.0))
    assert not still.holds()
    still.look(lambda: still.look_again_within(30.0))
    assert still.holds()


def test_what_the_clock_alone_makes_due_is_looked_for_in_time():
    still = Stillness(again_after_s=0.0)
    still.look(Heartbeat.objects.none().exists)
    assert not still.holds()
