"""What the imports cluster runs."""

from __future__ import annotations

from catalog import importing, retention, words
from catalog.alstyle.client import open_client
from catalog.import_runs import result_of
from plumbing.clocks import when_time_is_sure
from plumbing.leases import database_now


def sync_catalog() -> str:
    """Read the whole catalogue; raises `ImportFailed` or `LeaseTaken`."""
    with open_client() as client:
        return result_of(importing.import_catalogue(client))


def retry_catalog() -> str:
    """Read the catalogue again if Al-Style could not be read last time."""
    if not importing.is_catalogue_owed():
        return "nothing is owed"
    return sync_catalog()


def sync_stock() -> str:
    """Read stock and prices; raises `ImportFailed` or `LeaseTaken`."""
    with open_client() as client:
        return result_of(importing.import_stock(client))


def mend_words() -> str:
    """Bring the names that the search reads in line; raises `LeaseTaken`."""
    return f"{words.mend_words()} names mended"


@when_time_is_sure
def delete_old_changes() -> str:
    """Delete changes, imports and the history of decisions, each after its time."""
    changes, runs = importing.delete_old_changes()
    states = retention.delete_old_history(now=database_now())
    return f"{changes} changes, {runs} imports and {states} former states deleted"
