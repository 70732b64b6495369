"""Staff's tables: what they decide, out to a spreadsheet and in again, row by row.

Reading writes nothing: it gives the new values by row, for a proposal, and names each
row that cannot be saved with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import Field, Model, QuerySet
from django.utils import translation
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from import_export.fields import Field as Column
from import_export.instance_loaders import CachedInstanceLoader
from import_export.resources import ModelResource
from tablib import Dataset

from backoffice.formatting import grouped
from backoffice.spreadsheets import BadSpreadsheet, Sheet
from catalog.models import Category, PriceRule, Product
from catalog.pricing import floor_missed
from catalog.repricing import decide_product
from catalog.rules import load_rules
from feeds.cells import Cell, as_text, is_blank
from feeds.many_goods import Many
from feeds.models import CITY_TERMS, Proposal, Store, torn_among
from feeds.proposals import NEW
from plumbing.leases import database_now

Row = dict[str, Any]
# The row of the headers is the first.
FIRST_ROW = 2


class StaffTable(ModelResource):  # type: ignore[misc]
    """A table of one model: `key` finds a row, `own` is what staff may change."""

    key: ClassVar[str]
    own: ClassVar[tuple[str, ...]]
    # Read-only columns, for the eye: whatever stands in them is passed over.
    shown: ClassVar[tuple[str, ...]] = ()
    may_add: ClassVar[bool] = False

    class Meta:
        instance_loader_class = CachedInstanceLoader
        skip_diff = True
        use_transactions = False
        report_skipped = False
        exclude = ()

    def __init__(self) -> None:
        super().__init__()
        self.found = Many()
        # The keys of the rows by their numbers, as they were written.
        self.keys: dict[int, str] = {}
        self.seen: set[str] = set()
        self.before: Row = {}
        self.sheet_rows: Sequence[int] = ()
        by_name = {f.name: f for f in self._meta.model._meta.concrete_fields}
        self.model_fields: dict[str, Field[Any, Any]] = by_name
        names = (self.key, *self.shown, *(n for n in self.own if n != self.key))
        self.fields = {
            name: Column(
                attribute=by_name[name].attname if name in by_name else None,
                column_name=name,
                widget=self.widget_of(name),
                readonly=name in self.shown,
            )
            for name in names
        }
        self._meta.fields = self._meta.import_order = self._meta.export_order = names
        self._meta.import_id_fields = (self.key,)

    def widget_of(self, name: str) -> Any:
        return Cell(self.model_fields[name])

    # --- Out --------------------------------------------------------------------------

    def sheet(self, rows: QuerySet[Any]) -> Sheet:
        """Lay the rows into a sheet that `read` takes back."""
        return Sheet(
            title=str(capfirst(self._meta.model._meta.verbose_name_plural)),
            headers=[self.header(name) for name in self.fields],
            rows=self._written(rows),
        )

    def header(self, name: str) -> str:
        return str(capfirst(self.model_fields[name].verbose_name))

    def _written(self, rows: QuerySet[Any]) -> Iterator[list[Any]]:
        columns = list(self.fields.values())
        # A list leaves long texts out.
        for row in rows.defer(None):
            yield [column.export(row) for column in columns]

    # --- In ---------------------------------------------------------------------------

    def read(
        self, headers: Sequence[str], rows: Sequence[tuple[int, list[Any]]]
    ) -> Many:
        """Give what the rows want changed; raises `BadSpreadsheet` for the headers."""
        names = self._names(headers)
        dataset = Dataset(headers=[name for name in names if name])
        for _number, cells in rows:
            dataset.append(
                [c for n, c in zip(names, cells, strict=False) if n]
                + [None] * (sum(map(bool, names[len(cells) :])))
            )
        self.sheet_rows = [number for number, _cells in rows]
        result = self.import_data(dataset, dry_run=False, raise_errors=False)
        for error in result.base_errors:
            raise BadSpreadsheet(str(error.error))
        for invalid in result.invalid_rows:
            for name, texts in invalid.error_dict.items():
                self._complain(invalid.number, name, texts)
        for failed in result.error_rows:
            raise failed.errors[0].error
        self.check_together()
        self.found.errors.sort(key=lambda error: error[0])
        return self.found

    def _names(self, headers: Sequence[str]) -> list[str]:
        """Name the field of each column by its header, in whatever language."""
        known: dict[str, str] = {}
        for code, _language in settings.LANGUAGES:
            with translation.override(code):
                for name in self.fields:
                    known[_plain(self.header(name))] = name
                    known[name] = name
        names = []
        for header in headers:
            name = known.get(_plain(header), "")
            if header and not name:
                words = _(
                    "The column “%(header)s” is not known. Take the headers as they "
                    "are in the downloaded table."
                )
                raise BadSpreadsheet(words % {"header": header})
            # What is only shown is not read.
            names.append("" if name in self.shown else name)
        if self.key not in names:
            words = _("The column “%(header)s” is missing: it says which row is meant.")
            raise BadSpreadsheet(words % {"header": self.header(self.key)})
        if len(set(filter(None, names))) != len(list(filter(None, names))):
            raise BadSpreadsheet(_("A column stands in the table twice."))
        return names

    def _complain(self, number: int, name: str, texts: Sequence[str]) -> None:
        which = self.keys.get(number) or "—"
        label = ""
        if name in self.model_fields and name != NON_FIELD_ERRORS:
            label = f"{self.header(name)}: "
        text = " ".join(map(str, texts))
        self.found.errors.append((self.sheet_rows[number - 1], which, label + text))

    def before_import_row(self, row: Row, **kwargs: Any) -> None:
        key = as_text(row.get(self.key) or "")
        row[self.key] = key or None
        self.keys[kwargs["row_number"]] = key
        if key and key in self.seen:
            raise ValidationError(_("This row stands in the table twice."))
        self.seen.add(key)
        for name, value in list(row.items()):
            # Blank where the field cannot be: left as it is.
            field = self.model_fields[name]
            keeps_blank = field.null or (field.blank and not field.choices)
            if name != self.key and is_blank(value) and not keeps_blank:
                del row[name]

    def after_init_instance(
        self,
        instance: Model,
        new: bool,  # noqa: FBT001  (the library's signature)
        row: Row,
        **kwargs: Any,
    ) -> None:
        if new and not self.may_add:
            text = _("There is no such row: a table cannot add any.")
            raise ValidationError(text)
        self.before = {} if new else self._values(instance)

    def validate_instance(self, instance: Any, *args: Any, **kwargs: Any) -> None:
        errors = dict(args[0]) if args else {}
        if errors:
            raise ValidationError(errors)
        changed = self.changed(instance)
        if changed or not self.before:
            self.check(instance, changed)

    def check(self, instance: Any, changed: Row) -> None:
        """Raise `ValidationError` when the row makes no sense."""
        instance.full_clean(validate_unique=False)

    def check_together(self) -> None:
        """Look at all rows at once."""

    def do_instance_save(self, instance: Any, is_create: bool) -> None:  # noqa: FBT001
        # In place of saving: what is wanted becomes a proposal.
        values = self._values(instance)
        if is_create:
            self.found.wanted[f"{NEW}{len(self.found.wanted) + 1}"] = values
        elif changed := self.changed(instance):
            self.found.wanted[instance.pk] = changed

    def changed(self, instance: Any) -> Row:
        now = self._values(instance)
        return {k: v for k, v in now.items() if self.before.get(k, self) != v}

    def _values(self, instance: Any) -> Row:
        return {n: getattr(instance, self.model_fields[n].attname) for n in self.own}


def _plain(header: str) -> str:
    # A label keeps its sign beside it by a space that nobody types.
    return " ".join(header.split()).casefold()


class ProductTable(StaffTable):
    """Products' own fields; whatever comes from the supplier is only shown."""

    key = "article"
    own = Product.OWN_FIELDS
    shown = ("name", "brand", "stock", "cost_kzt", "retail_kzt", "price_kzt")

    class Meta(StaffTable.Meta):
        model = Product

    def __init__(self) -> None:
        super().__init__()
        self.book = load_rules()
        self.skus: dict[str, int] = {}
        self.now = database_now()

    def before_import(self, dataset: Dataset, **kwargs: Any) -> None:
        if "sku" in dataset.headers:
            asked = [as_text(sku) for sku in dataset["sku"] if not is_blank(sku)]
            for start in range(0, len(asked), 500):
                some = Product.objects.filter(sku__in=asked[start : start + 500])
                self.skus.update(some.values_list("sku", "pk"))

    def check(self, instance: Product, changed: Row) -> None:
        instance.clean_fields(exclude=set(self.model_fields) - set(changed))
        instance.clean()
        until = changed.get("price_override_until")
        if until is not None and until <= self.now:
            text = _("This moment has passed already.")
            raise ValidationError({"price_override_until": text})
        if "sku" in changed and self.skus.setdefault(instance.sku, instance.pk) != (
            instance.pk
        ):
            text = _("This SKU belongs to another product already.")
            raise ValidationError({"sku": text})
        if Product.PRICED_FIELDS & set(changed):
            floor = floor_missed(decide_product(instance, self.book))
            if floor is not None:
                words = _("%(price)s ₸ is below its floor of %(floor)s ₸.")
                price = grouped(instance.price_override_kzt)
                text = words % {"price": price, "floor": grouped(floor)}
                raise ValidationError({"price_override_kzt": text})


class _ByCode(Cell):
    """Names a product or category by the supplier's code instead of our number."""

    def __init__(self, field: Any, model: type[Model], code: str) -> None:
        super().__init__(field)
        rows = model._default_manager.order_by().values_list("pk", code)
        self.model, self.code = model, code
        self.codes = {} if model is Product else dict(rows)
        self.pks = {code: pk for pk, code in self.codes.items()}

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> int | None:
        if is_blank(value):
            return None
        text = as_text(value)
        if (pk := self.pks.get(text)) is not None:
            return int(pk)
        found = self.model._default_manager.filter(**{self.code: text})
        pk = found.values_list("pk", flat=True).first()
        if pk is None:
            words = _("There is none with the code “%(text)s”.")
            raise ValueError(words % {"text": text})
        return int(pk)

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> Any:
        if value is None:
            return None
        if value not in self.codes:
            found = self.model._default_manager.filter(pk=value)
            self.codes[value] = found.values_list(self.code, flat=True).first()
        return self.codes[value]


class RuleTable(StaffTable):
    """Price rules; a row without a number is a rule to add."""

    key = "id"
    own = tuple(f.name for f in PriceRule._meta.concrete_fields if f.name != "id")
    may_add = True

    class Meta(StaffTable.Meta):
        model = PriceRule

    def widget_of(self, name: str) -> Any:
        field = self.model_fields[name]
        if name == "product":
            return _ByCode(field, Product, "article")
        if name == "category":
            return _ByCode(field, Category, "supplier_id")
        return super().widget_of(name)

    def header(self, name: str) -> str:
        if name == "id":
            return _("rule №")
        if name == "product":
            return _("product (article)")
        if name == "category":
            return _("category (Al-Style id)")
        return super().header(name)

    def before_import_row(self, row: Row, **kwargs: Any) -> None:
        super().before_import_row(row, **kwargs)
        key = row[self.key]
        if key and not str(key).isdecimal():
            raise ValidationError(_("“%(text)s” is no whole number.") % {"text": key})

    def after_init_instance(
        self,
        instance: Any,
        new: bool,  # noqa: FBT001
        row: Row,
        **kwargs: Any,
    ) -> None:
        if new and row[self.key]:
            raise ValidationError(_("There is no rule of this number."))
        super().after_init_instance(instance, new, row, **kwargs)


class StoreTable(StaffTable):
    """Points of sale; one whose id is not known is a point to add."""

    key = "store_id"
    own = tuple(f.name for f in Store._meta.concrete_fields if f.name != "id")
    may_add = True

    class Meta(StaffTable.Meta):
        model = Store

    def check_together(self) -> None:
        """Kaspi wants one pre-order and one price for all points of a city."""
        rows = {store.pk: self._values(store) for store in Store.objects.all()}
        for key, values in self.found.wanted.items():
            rows[key] = {**rows.get(key, {}), **values}  # type: ignore[index, arg-type]
        torn = torn_among(
            [row[name] for name in ("city_code", *CITY_TERMS)]
            for row in rows.values()
            if row["is_active"]
        )
        for key in list(self.found.wanted):
            row = rows[key]  # type: ignore[index]
            if row["is_active"] and row["city_code"] in torn:
                del self.found.wanted[key]
                text = _(
                    "The points of one city must have the same pre-order and the "
                    "same supplements."
                )
                self.found.errors.append((0, row["store_id"], text))


TABLES: dict[str, type[StaffTable]] = {
    Proposal.Table.PRODUCTS: ProductTable,
    Proposal.Table.RULES: RuleTable,
    Proposal.Table.STORES: StoreTable,
}
