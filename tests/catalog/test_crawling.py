from __future__ import annotations

import pytest

from catalog.alstyle.goods import parse_element_page
from catalog.alstyle.schema import ElementPage
from catalog.crawling import PASSES, crawl_elements
from catalog.import_runs import ImportRefused
from tests.catalog.factories import element_row

pytestmark = pytest.mark.django_db


class PagedClient:
    """Serves scripted lists: one per pass, each by pages of `size`."""

    def __init__(self, *passes, size=4, total=None):
        self.passes, self.size, self.total = list(passes), size, total
        self.offsets: list[int] = []
        self.ignores_offset = False

    def elements_page(self, *, offset: int) -> ElementPage:
        if offset == 0 and self.offsets and len(self.passes) > 1:
            self.passes.pop(0)
        self.offsets.append(offset)
        articles = self.passes[0]
        start = 0 if self.ignores_offset else offset
        page = articles[start : start + self.size]
        return parse_element_page(
            {
                "elements": [element_row(article) for article in page],
                "pagination": {"totalCount": self.total or len(articles)},
            }
        )


def articles_of(crawl):
    return [int(article) for article in crawl.elements]


def test_pages_are_joined_at_a_row_read_twice():
    client = PagedClient(list(range(1, 12)))
    crawl = crawl_elements(client)
    assert articles_of(crawl) == list(range(1, 12))
    assert client.offsets == [0, 3, 6, 9]
    assert (crawl.came, crawl.pages, crawl.passes) == (11, 4, 1)


@pytest.mark.parametrize("count", [1, 3, 4, 5, 7, 8])
def test_every_length_of_list_is_read_to_its_end(count):
    client = PagedClient(list(range(1, count + 1)))
    assert len(crawl_elements(client).elements) == count


def test_an_empty_list_is_whole():
    crawl = crawl_elements(PagedClient([]))
    assert (crawl.elements, crawl.came) == ({}, 0)


def test_one_good_going_while_another_comes_is_noticed_at_the_seam():
    class Swapping(PagedClient):
        def elements_page(self, *, offset):
            if len(self.offsets) == 1:
                # The count stays, but what stood behind the first page moved into it.
                self.passes[0] = [*self.passes[0][1:], 99]
            return super().elements_page(offset=offset)

    client = Swapping(list(range(1, 9)))
    crawl = crawl_elements(client)
    assert crawl.passes == 2
    assert articles_of(crawl) == [2, 3, 4, 5, 6, 7, 8, 99]


def test_articles_the_supplier_lists_twice_are_accepted_when_they_stay():
    client = PagedClient([1, 2, 3, 2, 4, 5])
    crawl = crawl_elements(client)
    assert articles_of(crawl) == [1, 2, 3, 4, 5]
    assert (crawl.came, crawl.passes) == (6, 2)
    assert crawl.problems == [("2", "article listed more than once")]


def test_duplicates_are_accepted_when_the_supplier_counts_articles():
    client = PagedClient([1, 2, 3, 2, 4, 5], total=5, size=10)
    assert articles_of(crawl_elements(client)) == [1, 2, 3, 4, 5]


def test_duplicates_that_change_are_not_the_suppliers_own():
    client = PagedClient([1, 2, 2, 4], [1, 1, 3, 4], [1, 2, 3, 4])
    crawl = crawl_elements(client)
    assert articles_of(crawl) == [1, 2, 3, 4]
    assert crawl.passes == PASSES


def test_a_supplier_that_ignores_the_offset_is_never_taken_as_read():
    # Five pages of the same four goods add up to the announced twenty rows.
    client = PagedClient(list(range(1, 21)))
    client.ignores_offset = True
    with pytest.raises(ImportRefused, match="20 were announced"):
        crawl_elements(client)
    assert len(client.offsets) <= 3 * PASSES, "it is not asked for ever"


@pytest.mark.parametrize("total", [5, 7])
def test_a_count_that_is_never_reached_is_refused(total):
    client = PagedClient([1, 2, 3, 4, 5, 6], total=total)
    with pytest.raises(ImportRefused, match="did not hold still"):
        crawl_elements(client)
    assert client.offsets.count(0) == PASSES


def test_rows_that_cannot_be_read_are_counted_where_they_stand():
    client = PagedClient([1, 2, "x", 4, None, 6])
    crawl = crawl_elements(client)
    assert articles_of(crawl) == [1, 2, 4, 6]
    assert (crawl.came, crawl.passes) == (6, 1)
    assert len(crawl.problems) == 2


# --- over HTTP ------------------------------------------------------------------------


def test_the_sandbox_is_read_whole(alstyle, supplier_client):
    crawl = crawl_elements(supplier_client)
    assert sorted(articles_of(crawl)) == sorted(alstyle.goods)
    fields = alstyle.calls("elements-pagination")[0].query["additional_fields"]
    assert fields == "brand,barcode,multiplicity,rrp"


def test_short_pages_are_read_to_the_end(alstyle, supplier_client):
    alstyle.faults.add("short_pages", "elements-pagination", by=40)
    crawl = crawl_elements(supplier_client)
    assert len(crawl.elements) == len(alstyle.goods)


def test_pages_of_a_single_row_are_read_to_the_end():
    client = PagedClient([1, 2, 3, 4], size=1)
    assert articles_of(crawl_elements(client)) == [1, 2, 3, 4]


@pytest.mark.parametrize("kind", ["vanishing", "appearing"])
def test_a_list_that_moved_once_is_read_again(alstyle, supplier_client, kind):
    alstyle.faults.add(kind, "elements-pagination", count=3, times=2)
    crawl = crawl_elements(supplier_client)
    assert crawl.passes == 2
    assert sorted(articles_of(crawl)) == sorted(alstyle.goods)


@pytest.mark.parametrize(
    ("kind", "options"),
    [("vanishing", {}), ("appearing", {}), ("wrong_total", {"by": 1})],
)
def test_a_list_that_never_holds_still_is_refused(
    alstyle, supplier_client, kind, options
):
    alstyle.faults.add(kind, "elements-pagination", **options)
    with pytest.raises(ImportRefused):
        crawl_elements(supplier_client)


def test_pages_that_overlap_are_accepted_when_nothing_is_missing(
    alstyle, supplier_client
):
    alstyle.faults.add("shifted", "elements-pagination")
    crawl = crawl_elements(supplier_client)
    assert len(crawl.elements) == len(alstyle.goods)
    assert crawl.passes == 2
