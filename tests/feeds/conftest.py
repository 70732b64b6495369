import pytest

from feeds import publishing
from tests.feeds.making import make_import, make_store


@pytest.fixture(autouse=True)
def feed_dir(settings, tmp_path):
    settings.FEED_DIR = tmp_path / "feed"
    return settings.FEED_DIR


@pytest.fixture
def fixed_prices(monkeypatch):
    """Take prices as stored: how they come about is the catalogue's affair."""
    monkeypatch.setattr(publishing, "reprice", lambda *, now: None)
    monkeypatch.setattr(publishing, "are_prices_outdated", lambda: False)


@pytest.fixture
def shop(db, fixed_prices):
    """One point of sale, fresh stock figures, prices as stored."""
    make_import()
    return make_store()
