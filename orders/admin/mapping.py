"""Lets a person say which product a line is."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from catalog.models import Product
from orders.models import Order, OrderLine, Step
from orders.plan.actions import ActionImpossible, retry_step
from orders.plan.events import record
from plumbing.leases import database_now


def map_line(line: OrderLine, product: Product, *, actor: str) -> None:
    """Note the line's product; a reserve that waited for it is tried again."""
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=line.order_id)
        unmapped = OrderLine.objects.filter(pk=line.pk, product__isnull=True)
        if not unmapped.update(product=product, problem=""):
            raise ActionImpossible(_("The line has its product already"))
        name = line.sku or line.entry_id
        # The other lines' problems stand: each is a line of its own.
        left = [p for p in order.problem.splitlines() if not p.startswith(f"{name}: ")]
        order.problem = "\n".join(left)
        order.save(update_fields=["problem"])
        text = _("%(name)s is %(product)s")
        figures = {"name": name, "product": f"{product.article} {product.name}"}
        record(order, text % figures, now=database_now(), actor=actor)
        if not order.problem and not order.lines.filter(product__isnull=True).exists():
            stuck = order.steps.of_kind(Step.Kind.RESERVE).stuck().first()
            if stuck is not None and not stuck.answered.get("candidates"):
                retry_step(stuck, actor=actor)
