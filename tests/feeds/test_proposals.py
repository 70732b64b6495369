from __future__ import annotations

from datetime import datetime, timedelta
from datetime import timezone as zones
from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone, translation

from backoffice.histories import read_turns
from catalog.models import Category, PriceRule, Product
from feeds.models import Proposal
from feeds.proposals import Overtaken, edits_of, is_sealed, propose, renew, save, seal
from tests.feeds.making import make_category, make_product, make_products
from tests.staff import queued

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


@pytest.fixture
def author(db):
    return User.objects.create_user("olga")


def proposed(author, table, wanted, **known):
    return propose(
        table=table,
        title=known.pop("title", "a change"),
        author_pk=author.pk,
        wanted=wanted,
        now=timezone.now(),
        **known,
    )


def test_a_proposal_holds_was_and_will_be_and_writes_nothing(author):
    product = make_product(safety_stock=1)
    proposal = proposed(author, "product", {product.pk: {"safety_stock": 3}})
    assert proposal.changes == {str(product.pk): {"safety_stock": [1, 3]}}
    product.refresh_from_db()
    assert product.safety_stock == 1


def test_nothing_is_proposed_when_nothing_differs(author):
    product = make_product(safety_stock=1)
    assert proposed(author, "product", {product.pk: {"safety_stock": 1}}) is None
    rule = PriceRule.objects.get()
    same = {"markup_percent": Decimal("20.00"), "category": None}
    assert proposed(author, "pricerule", {rule.pk: same}) is None
    assert Proposal.objects.count() == 0


def test_saving_writes_just_what_was_shown_with_who_and_why(author):
    until = datetime(2030, 5, 1, 7, 0, tzinfo=zones.utc)
    product = make_product(priced_with="0123456789abcdef")
    values = {"price_override_kzt": 9990, "price_override_until": until}
    proposal = proposed(author, "product", {product.pk: values}, title="May sale")
    assert save(proposal, now=timezone.now()) == 1
    product.refresh_from_db()
    assert product.price_override_kzt == 9990
    assert product.price_override_until == until
    assert product.priced_with == ""
    assert queued() == ["feeds.tasks.build_feed"]
    newest, baseline = read_turns(product)
    assert (newest.who, newest.reason) == ("olga", "May sale")
    assert [name for name, _old, _new in newest.changes] == [
        "Fixed price, ₸",
        "Fixed price until",
    ]
    assert newest.changes[0][1:] == ("—", "9\u202f990")
    assert baseline.who == ""
    assert LogEntry.objects.get().change_message == "May sale"


def test_an_import_meanwhile_is_not_written_over(author):
    product = make_product(stock=5)
    proposal = proposed(author, "product", {product.pk: {"safety_stock": 3}})
    Product.objects.update(stock=77, cost_kzt=1)
    save(proposal, now=timezone.now())
    product.refresh_from_db()
    assert (product.stock, product.cost_kzt) == (77, 1)


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(author):
    product = make_product(safety_stock=1)
    proposal = proposed(author, "product", {product.pk: {"safety_stock": 3}})
    Product.objects.update(safety_stock=2)
    with pytest.raises(Overtaken, match="changed it meanwhile"):
        save(proposal, now=timezone.now())
    product.refresh_from_db()
    assert product.safety_stock == 2
    renew(proposal)
    assert proposal.changes == {str(product.pk): {"safety_stock": [2, 3]}}
    assert save(proposal, now=timezone.now()) == 1


def test_a_proposal_is_saved_once(author):
    product = make_product()
    proposal = proposed(author, "product", {product.pk: {"safety_stock": 3}})
    save(proposal, now=timezone.now())
    with pytest.raises(Overtaken, match="saved already"):
        save(proposal, now=timezone.now())


def test_the_chosen_rows_alone_are_saved(author):
    first, second = make_products(2)
    first, second = Product.objects.order_by("pk")
    wanted = {pk: {"safety_stock": 3} for pk in (first.pk, second.pk)}
    proposal = proposed(author, "product", wanted)
    assert save(proposal, now=timezone.now(), chosen={str(second.pk)}) == 1
    kept = Product.objects.order_by("pk").values_list("safety_stock", flat=True)
    assert list(kept) == [0, 3]


def test_the_seal_is_of_these_values_and_these_rules(author):
    product = make_product()
    proposal = proposed(author, "product", {product.pk: {"safety_stock": 3}})
    sealed = seal(proposal, warned=False)
    assert is_sealed(proposal, sealed, warned=False)
    # A page that showed no warning seals no page that shows one.
    assert not is_sealed(proposal, sealed, warned=True)
    proposal.changes = {str(product.pk): {"safety_stock": [0, 4]}}
    assert not is_sealed(proposal, sealed, warned=False)
    proposal.refresh_from_db()
    PriceRule.objects.update(markup_percent=33)
    assert not is_sealed(proposal, sealed, warned=False)
    sealed = seal(proposal, warned=False)
    make_category(is_published=True)
    assert not is_sealed(proposal, sealed, warned=False)


def test_a_rule_is_added_changed_and_deleted_and_each_is_told(author):
    values = {"name": "Mice", "brand": "Zeta", "markup_percent": Decimal("12.5")}
    proposal = proposed(author, "pricerule", {"new-1": values})
    edits = edits_of(proposal)
    assert [rule.brand for rule in edits.rules_after] == ["Zeta"]
    save(proposal, now=timezone.now())
    rule = PriceRule.objects.get(name="Mice")
    change = proposed(author, "pricerule", {rule.pk: {"markup_percent": Decimal(15)}})
    edits = edits_of(change)
    assert edits.rules_before[0].markup_percent == Decimal("12.5")
    assert edits.rules_after[0].markup_percent == 15
    save(change, now=timezone.now())
    turns = read_turns(rule)
    assert [turn.what for turn in turns] == ["Changed", "Added"]
    assert turns[0].changes == [("Markup, %", "12.5", "15")]
    save(proposed(author, "pricerule", {rule.pk: None}), now=timezone.now())
    assert not PriceRule.objects.filter(name="Mice").exists()
    last = PriceRule.history.filter(name="Mice").first()
    assert (last.history_type, last.history_user) == ("-", author)


def test_many_rows_take_few_queries(author, django_assert_max_num_queries):
    make_products(1200)
    wanted = {
        pk: {"safety_stock": 2} for pk in Product.objects.values_list("pk", flat=True)
    }
    proposal = proposed(author, "product", wanted)
    with django_assert_max_num_queries(60), transaction.atomic():
        assert save(proposal, now=timezone.now()) == 1200
    assert Product.objects.filter(safety_stock=2).count() == 1200
    # A baseline and the change of each.
    assert Product.history.count() == 2400


def test_a_sku_taken_meanwhile_is_no_crash(author):
    first, second = make_product(), make_product()
    proposal = proposed(author, "product", {first.pk: {"sku": "X1"}})
    Product.objects.filter(pk=second.pk).update(sku="X1")
    with pytest.raises(Overtaken):
        save(proposal, now=timezone.now())


def test_a_category_is_sold_and_told(author):
    branch = make_category(is_published=False)
    save(
        proposed(author, "category", {branch.pk: {"is_published": True}}),
        now=timezone.now() + timedelta(minutes=1),
    )
    assert Category.objects.get(pk=branch.pk).is_published
    assert read_turns(branch)[0].changes == [("Sold", "no", "yes")]


@pytest.mark.django_db(transaction=True)
def test_two_who_press_at_once_add_one_rule(in_threads):
    author = User.objects.create_user("olga")
    proposal = proposed(author, "pricerule", {"new-1": {"name": "twice"}})

    def press():
        return save(proposal, now=timezone.now())

    results = in_threads([press, press, press])
    assert [r for r in results if r == 1] == [1]
    assert sum(isinstance(r, Overtaken) for r in results) == 2
    assert PriceRule.objects.filter(name="twice").count() == 1
