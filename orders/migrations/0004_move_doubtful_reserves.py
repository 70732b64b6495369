from django.db import migrations

UNSETTLED = ("in_flight", "unknown", "needs_person")


def move_doubtful_reserves(apps, schema_editor):
    """Make purchases of what stood in steps and in the memory of our cart rows.

    A submit whose outcome was unknown becomes a purchase to settle. Rows that a try
    left in the cart belong to the reserve that was under way.
    """
    Step = apps.get_model("orders", "Step")
    steps = Step.objects.filter(kind="reserve", status__in=UNSETTLED).order_by("-pk")
    has_cart = False
    for step in steps:
        if step.sent.get("phase") != "submit" or step.sent_at is None:
            continue
        candidates = step.answered.get("candidates", [])
        if step.status == "needs_person" and not candidates:
            continue
        waits = step.status == "needs_person" or has_cart
        made = _begin(
            apps,
            step,
            status="needs_person" if waits else "submitting",
            lines=[[str(a), int(n), None] for a, n in step.sent.get("lines", [])],
            submits=[step.sent_at.isoformat()],
            sum_kzt=step.sent.get("sum"),
            candidates=candidates,
            reason=step.last_error,
        )
        has_cart = has_cart or (made and not waits)
    if not has_cart:
        _move_cart_rows(apps)


def _move_cart_rows(apps):
    CartState = apps.get_model("orders", "CartState")
    state = CartState.objects.exclude(ours={}).first()
    if state is None:
        return
    Step = apps.get_model("orders", "Step")
    waiting = Step.objects.filter(
        kind="reserve", status__in=("pending", "in_flight", "unknown")
    ).order_by("pk")
    for step in waiting:
        lines = apps.get_model("orders", "ReservationLine").objects.filter(
            reservation__order=step.order_id, reservation__status="wanted"
        )
        articles = set(lines.values_list("product__article", flat=True))
        if articles == set(state.ours):
            _begin(
                apps,
                step,
                status="filling",
                lines=[[a, n, None] for a, n in state.ours.items()],
            )
            return


def _begin(apps, step, **fields):
    wanted = apps.get_model("orders", "Reservation").objects.filter(
        order=step.order_id, status="wanted"
    )
    reservation = wanted.first()
    if reservation is None:
        return False
    purchase = apps.get_model("orders", "Purchase").objects.create(
        reference=step.order.code,
        created_at=step.sent_at or step.created_at,
        **fields,
    )
    purchase.reservations.add(reservation)
    return True


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0003_begin_purchases"),
    ]

    operations = [
        migrations.RunPython(move_doubtful_reserves, migrations.RunPython.noop),
    ]
