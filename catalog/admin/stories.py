"""A product's story: how its stock and price changed, drawn and listed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from backoffice.charts import Ends, Point, draw_stairs
from backoffice.formatting import absolute, when
from catalog.admin.changes import reason_lines, was_and_is
from catalog.models import Product, ProductChange

Field = ProductChange.Field
DRAWN = timedelta(days=90)
ROWS_READ = 400
ROWS_SHOWN = 25


def tell_story(product: Product, *, now: datetime) -> dict[str, Any]:
    """Give the template the charts, the latest changes and the link to all of them."""
    changes = list(product.changes.all()[:ROWS_READ])
    charts = [draw(changes, field, now=now) for field in (Field.STOCK, Field.PRICE)]
    rows = [
        (
            when(change.changed_at, now=now),
            change.get_field_display(),
            was_and_is(change),
            reason_lines(change),
        )
        for change in changes[:ROWS_SHOWN]
    ]
    url = reverse("admin:catalog_productchange_changelist")
    return {
        "story_charts": [chart for chart in charts if chart],
        "change_rows": rows,
        "changes_url": f"{url}?product__id__exact={product.pk}",
    }


def draw(
    changes: Sequence[ProductChange], field: ProductChange.Field, *, now: datetime
) -> str:
    """Draw one figure over time; "" when it never changed. `changes`: newest first."""
    since = now - DRAWN
    own = [c for c in reversed(changes) if c.field == field and c.changed_at > since]
    if not own:
        return ""
    # A little of what was before the first change.
    start = own[0].changed_at - (now - own[0].changed_at) / 20
    points = [Point(at=start.timestamp(), value=own[0].old or 0)]
    points += [Point(at=c.changed_at.timestamp(), value=c.new or 0) for c in own]
    points.append(Point(at=now.timestamp(), value=own[-1].new or 0))
    is_stock = field == Field.STOCK
    return draw_stairs(
        points,
        title=_("Stock") if is_stock else _("Our price"),
        ends=Ends(first=absolute(start, now=now), last=_("now")),
        from_zero=is_stock,
        unit="" if is_stock else "\u00a0₸",
    )
