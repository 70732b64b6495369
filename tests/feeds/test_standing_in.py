"""What a web server in front needs to give out the list while the bridge is away."""

from __future__ import annotations

import os
import stat

import bcrypt
import pytest

from feeds import files
from feeds.standing_in import keep_login, login_path
from tests.staff import furnish

posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")


@pytest.fixture(autouse=True)
def feed(settings, tmp_path):
    settings.FEED_DIR = tmp_path / "feed"
    settings.FEED_USER, settings.FEED_PASSWORD = "kaspi", "of-the-list"
    return settings


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_lists_login_is_kept_as_web_servers_read_it():
    keep_login()
    user, digest = login_path().read_text("utf-8").strip().split(":")
    assert user == "kaspi"
    assert digest.startswith("$2y$")
    assert bcrypt.checkpw(b"of-the-list", digest.encode())
    assert [path.name for path in files.live_path().parent.glob("*.tmp")] == []


def test_it_is_written_only_when_it_has_changed_and_goes_with_the_setting(feed):
    keep_login()
    first = login_path().read_bytes()
    keep_login()
    assert login_path().read_bytes() == first
    feed.FEED_PASSWORD = "another one"
    keep_login()
    second = login_path().read_bytes()
    assert second != first
    login_path().write_text("nonsense")
    keep_login()
    assert login_path().read_bytes() not in (first, b"nonsense")
    feed.FEED_USER = ""
    keep_login()
    keep_login()
    assert not login_path().exists()


def test_a_password_longer_than_is_looked_at_and_a_folder_that_cannot_be_had(
    feed, tmp_path
):
    feed.FEED_PASSWORD = "п" * 100
    keep_login()
    assert login_path().exists()
    (tmp_path / "file").write_text("")
    feed.FEED_DIR = tmp_path / "file" / "feed"
    keep_login()


@posix_only
@pytest.mark.django_db
def test_a_build_keeps_it_and_the_web_server_may_read_only_what_it_gives_out(
    feed, tmp_path
):
    old = os.umask(0o077)
    try:
        furnish(feed, tmp_path / "feed")
    finally:
        os.umask(old)
    folder = files.live_path().parent
    assert mode_of(folder) == 0o750
    for path in (files.live_path(), files.live_gzip_path(), login_path()):
        assert mode_of(path) == 0o640, path
    assert mode_of(folder / "versions") == 0o700
    folder.chmod(0o2755)
    files.make_directories()
    assert mode_of(folder) == 0o2755
