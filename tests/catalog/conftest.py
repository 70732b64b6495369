from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import translation

from catalog.alstyle.client import AlStyleClient, open_client
from catalog.importing import import_catalogue, import_stock
from catalog.models import Category, ImportRun, Product, ProductChange
from sandbox import AlStyleServer


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Let tests read messages as they are written in the code."""
    with translation.override("en"):
        yield


@pytest.fixture
def supplier_client(alstyle: AlStyleServer) -> Iterator[AlStyleClient]:
    with open_client() as client:
        yield client


@pytest.fixture
def article(alstyle: AlStyleServer) -> int:
    """Name one good with plain figures."""
    number = next(iter(alstyle.goods))
    alstyle.set_good(number, quantity=7, price1=1000, price2=1500, brand="Zeta")
    return number


@pytest.fixture
def sync_catalogue(supplier_client: AlStyleClient) -> Callable[..., ImportRun]:
    def sync(**options: Any) -> ImportRun:
        return import_catalogue(supplier_client, **options)

    return sync


@pytest.fixture
def sync_stock(supplier_client: AlStyleClient) -> Callable[..., ImportRun]:
    def sync(**options: Any) -> ImportRun:
        return import_stock(supplier_client, **options)

    return sync


@pytest.fixture
def stored() -> Callable[[], Any]:
    """Copy everything an import writes except its own journal."""

    def copy() -> Any:
        return [
            sorted(model.objects.values_list(), key=str)
            for model in (Category, Product, ProductChange)
        ]

    return copy
