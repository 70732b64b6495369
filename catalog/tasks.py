"""What the imports cluster runs."""

from __future__ import annotations

from catalog import importing
from catalog.alstyle.client import open_client
from catalog.import_runs import result_of


def sync_catalog() -> str:
    """Read the whole catalogue; raises `ImportFailed` or `LeaseTaken`."""
    with open_client() as client:
        return result_of(importing.import_catalogue(client))


def sync_stock() -> str:
    """Read stock and prices; raises `ImportFailed` or `LeaseTaken`."""
    with open_client() as client:
        return result_of(importing.import_stock(client))


def delete_old_changes() -> str:
    """Delete changes and imports older than the set time."""
    changes, runs = importing.delete_old_changes()
    return f"{changes} changes and {runs} imports deleted"
