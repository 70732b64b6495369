"""Filters of the catalogue's lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from catalog.admin.trees import indent_of, read_tree
from catalog.models import Category, Product, ProductQuerySet
from catalog.rules import with_branches


class BranchFilter(admin.SimpleListFilter):
    """Products of a category and everything below it."""

    title = _("category")
    parameter_name = "branch"

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[tuple[Any, Any]]:
        self.tree = read_tree(request)
        self.branches = [row for row in self.tree.values() if not row.is_gone]
        return [(str(branch.pk), branch.name) for branch in self.branches]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        levels = [0, *map(indent_of, self.branches)]
        for level, choice in zip(levels, super().choices(changelist), strict=True):
            # The template makes it level-1 to level-5 of static/bridge/admin/lists.css.
            yield {**choice, "level": level}

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Product]
    ) -> QuerySet[Product]:
        value = self.value()
        if value is None:
            return queryset
        if not value.isdecimal():
            return queryset.none()
        parents = {pk: branch.parent_id for pk, branch in self.tree.items()}
        branch = with_branches([int(value)], parents=parents)
        return queryset.filter(category_id__in=branch)


class QuarantineFilter(admin.SimpleListFilter):
    """Products in quarantine, by reason; the last choice of all finds them all."""

    title = _("quarantine")
    parameter_name = "quarantine"
    ANY = "any"

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[tuple[Any, Any]]:
        return [(self.ANY, _("any reason")), *Product.Quarantine.choices[1:]]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Product]
    ) -> QuerySet[Product]:
        value = self.value()
        if value is None:
            return queryset
        found = cast("ProductQuerySet", queryset).quarantined()
        return found if value == self.ANY else found.filter(quarantine=value)


class PresenceFilter(admin.SimpleListFilter):
    title = _("at the supplier")
    parameter_name = "presence"

    CONDITIONS = {
        "in_stock": Q(gone_at=None, stock__gt=0),
        "sold_out": Q(gone_at=None, stock=0),
        "gone": Q(gone_at__isnull=False),
    }

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[tuple[Any, Any]]:
        return [
            ("in_stock", _("in stock")),
            ("sold_out", _("sold out")),
            ("gone", _("gone from the catalogue")),
        ]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Product]
    ) -> QuerySet[Product]:
        condition = self.CONDITIONS.get(self.value() or "")
        return queryset if condition is None else queryset.filter(condition)


class ListedFilter(admin.SimpleListFilter):
    title = _("in the catalogue")
    parameter_name = "listed"

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[tuple[Any, Any]]:
        return [("yes", _("yes")), ("no", _("no"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Category]
    ) -> QuerySet[Category]:
        if self.value() in ("yes", "no"):
            return queryset.filter(gone_at__isnull=self.value() == "yes")
        return queryset
