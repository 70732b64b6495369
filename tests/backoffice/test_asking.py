"""Many questions, one query: answers as the tables' own rows would be."""

from datetime import timedelta

import pytest
from django.db.models import Count, Exists, Subquery
from django.utils import timezone

from backoffice.asking import Number, Rows, ask, objects
from catalog.models import ImportRun, Product
from tests.staff import make_import, make_product

pytestmark = pytest.mark.django_db


def test_rows_come_back_as_the_objects_they_were():
    first = make_import(counts={"bad": 3, "why": ['O\'Хара "x"']}, is_dry_run=True)
    second = make_import(finished_at=None, age=timedelta(days=2))
    names = ("id", "kind", "started_at", "finished_at", "counts", "is_dry_run")
    answers = ask({"runs": Rows(ImportRun.objects.values(*names))})
    runs = objects(ImportRun, answers["runs"])
    assert runs == [first, second]
    for name in names:
        assert getattr(runs[0], name) == getattr(first, name), name
    assert runs[1].finished_at is None
    # What was not asked for is read when it is needed.
    assert runs[0].message == first.message


def test_questions_to_several_tables_are_one_query(django_assert_num_queries):
    for quarantine in ("jump", "jump", "no_cost"):
        make_product(quarantine=quarantine)
    make_import()
    by_reason = Product.objects.order_by().values("quarantine")
    counted = by_reason.annotate(number=Count("pk")).order_by("-number")
    newest = Product.objects.order_by("-pk").values("quarantine")
    with django_assert_num_queries(1):
        answers = ask(
            {
                "all": Number(Product.objects.all()),
                "none": Number(Product.objects.filter(stock__gt=99)),
                "by_reason": Rows(counted),
                "no_rows": Rows(ImportRun.objects.filter(kind="?").values("id")),
                "is_read": Exists(ImportRun.objects.good()),
                "newest": Subquery(newest[:1]),
                "never": Subquery(ImportRun.objects.filter(kind="?").values("id")[:1]),
            }
        )
    assert answers == {
        "all": 3,
        "none": 0,
        "by_reason": [
            {"quarantine": "jump", "number": 2},
            {"quarantine": "no_cost", "number": 1},
        ],
        "no_rows": [],
        "is_read": True,
        "newest": "no_cost",
        "never": None,
    }


def test_rows_are_as_many_as_were_asked_for():
    now = timezone.now()
    for hours in (3, 1, 2):
        make_import(age=timedelta(hours=hours))
    newest = ImportRun.objects.order_by("-started_at").values("id", "started_at")[:2]
    runs = objects(ImportRun, ask({"runs": Rows(newest)})["runs"])
    assert [round((now - run.started_at) / timedelta(hours=1)) for run in runs] == [
        1,
        2,
    ]
