"""The epoch guard: the mark outside the database against what the database says."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from plumbing import epoch, marks
from plumbing.models import Epoch

Reason = Epoch.Reason


def row() -> Epoch:
    return Epoch.objects.get()


def take_back(times: int) -> None:
    """Make the database what it was before the last writes, as a backup does."""
    before = row().sequence - times
    Epoch.objects.update(sequence=before, guarded_for="")
    epoch.forget()


def grow_old() -> None:
    """Let the first mark be no other host's that began a moment ago."""
    Epoch.objects.update(marked_at=timezone.now() - timedelta(hours=1))


def edit(path, **values) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    epoch.forget()


@pytest.mark.django_db
def test_the_first_look_marks_a_new_database_and_writes_go_out(mark):
    assert not epoch.is_guarded()
    assert marks.read_mark(mark).identity == row().identity
    epoch.count_write()
    epoch.count_write()
    assert marks.read_mark(mark).sequence == row().sequence == 2


@pytest.mark.django_db
def test_a_database_older_than_one_write_is_guarded(mark):
    epoch.count_write()
    epoch.count_write()
    wrote_at = row().wrote_at
    take_back(1)
    with pytest.raises(epoch.WritesGuarded):
        epoch.count_write()
    assert row().guarded_for == Reason.RESTORED
    assert row().known_until == wrote_at
    assert epoch.is_guarded()


@pytest.mark.django_db
def test_a_backup_since_which_nothing_was_written_is_as_good_as_the_original(mark):
    epoch.count_write()
    take_back(0)
    epoch.count_write()
    assert row().guarded_for == ""


@pytest.mark.django_db
@pytest.mark.parametrize("read", ["read_mark", "_row"])
def test_what_another_worker_writes_between_two_readings_is_no_restore(
    mark, monkeypatch, read
):
    epoch.count_write()
    original = getattr(epoch, read)

    def read_while_another_writes(*args):
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(epoch, read, original)
            found = original(*args)
            epoch.count_write()
        return found if read == "_row" else original(*args)

    monkeypatch.setattr(epoch, read, read_while_another_writes)
    epoch.forget()
    assert not epoch.is_guarded()
    assert row().guarded_for == ""


@pytest.mark.django_db
def test_an_emptied_database_is_guarded(mark):
    epoch.count_write()
    Epoch.objects.all().delete()
    epoch.forget()
    assert epoch.is_guarded()
    assert row().guarded_for == Reason.EMPTIED
    assert row().known_until is not None


@pytest.mark.django_db
def test_another_bridges_database_is_guarded(mark):
    epoch.count_write()
    Epoch.objects.update(identity="another")
    epoch.forget()
    assert epoch.is_guarded()
    assert row().guarded_for == Reason.FOREIGN
    assert row().known_until is None


@pytest.mark.django_db
@pytest.mark.parametrize("broken", [None, "", "{", '{"identity": 3}'])
def test_a_database_whose_mark_is_lost_is_guarded(mark, broken):
    epoch.count_write()
    grow_old()
    if broken is None:
        mark.unlink()
    else:
        mark.write_text(broken)
    epoch.forget()
    assert epoch.is_guarded()
    assert row().guarded_for == Reason.UNMARKED


@pytest.mark.django_db
@pytest.mark.parametrize("values", [{"place": "/other"}, {"hardware": ["other"]}])
def test_a_folder_or_a_machine_copied_with_its_mark_is_guarded(mark, values):
    epoch.count_write()
    grow_old()
    edit(mark, **values)
    assert epoch.is_guarded()
    assert row().guarded_for == Reason.MOVED
    assert row().may_have_twin


@pytest.mark.django_db
def test_a_copied_volume_is_guarded_though_it_lies_at_the_same_place(mark, tmp_path):
    """A container has no card of its own, and its paths are everywhere the same."""
    epoch.count_write()
    grow_old()
    anchor = mark.with_suffix(".anchor")
    (copy := tmp_path / "copied").write_bytes(anchor.read_bytes())
    copy.replace(anchor)
    epoch.forget()
    assert epoch.is_guarded()
    assert row().guarded_for == Reason.MOVED
    epoch.lift(by="anna")
    epoch.count_write()
    assert row().guarded_for == ""


@pytest.mark.django_db
def test_a_mark_copied_without_its_anchor_is_guarded(mark):
    epoch.count_write()
    grow_old()
    mark.with_suffix(".anchor").unlink()
    epoch.forget()
    assert epoch.is_guarded()
    assert row().guarded_for == Reason.MOVED


@pytest.mark.django_db
def test_a_container_without_cards_of_its_own_is_not_taken_for_a_copy(mark):
    epoch.count_write()
    edit(mark, hardware=[])
    assert not epoch.is_guarded()


@pytest.mark.django_db
def test_a_lift_lets_writes_go_out_and_no_other_hosts_mark_closes_it_again(mark):
    epoch.count_write()
    other_hosts = mark.read_text()
    Epoch.objects.all().delete()
    epoch.forget()
    assert epoch.is_guarded()
    assert epoch.lift(by="anna")
    epoch.count_write()
    assert (row().lifted_by, row().lifted_for) == ("anna", Reason.EMPTIED)
    assert not epoch.lift(by="anna")
    mark.write_text(other_hosts)
    epoch.forget()
    assert not epoch.is_guarded()
    epoch.count_write()
    assert marks.read_mark(mark).identity == row().identity


@pytest.mark.django_db
def test_the_hosts_of_one_restored_database_are_all_let_go_on_at_once(mark):
    for _write in range(3):
        epoch.count_write()
    ahead = mark.read_text()
    edit(mark, sequence=2)
    take_back(2)
    assert epoch.is_guarded()
    epoch.lift(by="anna")
    mark.write_text(ahead)
    epoch.forget()
    assert not epoch.is_guarded()


@pytest.mark.django_db
def test_a_host_that_joins_waits_until_another_is_seen_at_work(mark):
    epoch.count_write()
    mark.unlink()
    Epoch.objects.update(vouched_at=timezone.now())
    epoch.forget()
    assert epoch.is_guarded()
    with pytest.raises(epoch.WritesGuarded):
        epoch.count_write()
    assert row().guarded_for == ""
    assert not mark.exists()
    Epoch.objects.update(vouched_at=timezone.now() + timedelta(seconds=1))
    epoch.count_write()
    assert marks.read_mark(mark).sequence == 2


@pytest.mark.django_db
def test_a_host_that_joins_alone_is_guarded_in_the_end(mark, monkeypatch):
    epoch.count_write()
    mark.unlink()
    Epoch.objects.update(vouched_at=timezone.now())
    epoch.forget()
    assert epoch.is_guarded()
    monkeypatch.setattr(epoch, "PROVEN_WITHIN_S", -1)
    with pytest.raises(epoch.WritesGuarded):
        epoch.count_write()
    assert row().guarded_for == Reason.UNMARKED


@pytest.mark.django_db
def test_the_beat_shows_life_outside_and_vouches_within(mark):
    epoch.beat()
    before = marks.read_mark(mark).alive_at
    epoch.beat()
    assert marks.read_mark(mark).alive_at > before
    assert row().vouched_at is not None
    assert row().sequence == 0


@pytest.mark.django_db
def test_a_guarded_database_does_not_vouch(mark):
    epoch.count_write()
    take_back(1)
    epoch.beat()
    assert row().vouched_at is None
    assert marks.read_mark(mark).sequence == 1


@pytest.mark.django_db(transaction=True)
def test_writes_from_many_threads_leave_the_mark_at_the_last_one(mark, in_threads):
    epoch.count_write()
    results = in_threads([epoch.count_write] * 6)
    assert results == [None] * 6
    assert marks.read_mark(mark).sequence == row().sequence == 7


@pytest.mark.django_db
def test_hosts_that_begin_a_new_database_together_close_nothing(mark):
    """One made the first mark and has not vouched yet: it may be at work."""
    assert not epoch.is_guarded()
    mark.unlink()
    epoch.forget()
    assert epoch.is_guarded()
    assert row().guarded_for == ""
    Epoch.objects.update(vouched_at=timezone.now())
    epoch._Seen.until = 0.0
    assert not epoch.is_guarded()
    assert mark.exists()


@pytest.mark.django_db
def test_a_site_without_workers_closes_nothing_for_its_own_missing_mark(mark, settings):
    settings.HOST_ROLES = ["web"]
    epoch.count_write()
    grow_old()
    mark.unlink()
    epoch.forget()
    assert epoch.is_guarded()
    assert row().guarded_for == ""
    # A database taken back is proof enough, whoever finds it.
    settings.HOST_ROLES = ["web", "workers"]
    Epoch.objects.update(vouched_at=None)
    epoch.forget()
    assert epoch.is_guarded()
    assert row().guarded_for == Reason.UNMARKED
