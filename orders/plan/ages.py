"""How long each waiting state may last before a person is told, and why so long.

What is older is a finding (`orders.reconciling`), which stands on its order as a step
that needs a person, unless a stuck step tells of it already.

| waits                    | limit  | way out by button              | voice before  |
| ------------------------ | ------ | ------------------------------ | ------------- |
| step, waiting            | 2 h    | Do not wait, Drop              | order's steps |
| step, under way          | 15 min | none: the sweep takes it       | order's steps |
| step, outcome unknown    | 1 h    | Do not wait (looks at once)    | order's steps |
| step, needs a person     | 1 day  | its reason's (admin/reasons)   | the overview  |
| step, refused            | 1 day  | its reason's (admin/reasons)   | the overview  |
| reservation, wanted      | 2 h    | Reserve, Reserved by hand      | its tab       |
| reservation, held        | 14 d   | Release, Released by hand      | order's page  |
| reservation, by hand     | 14 d   | Released by hand               | order's page  |
| reservation, releasing   | 6 h    | Released by hand               | order's page  |
| purchase, begun          | 30 min | Do not wait (of its reserve)   | purchases     |
| purchase, being filled   | 30 min | Do not wait (of its reserve)   | purchases     |
| purchase, submit sent    | 1 h    | Do not wait (of its reserve)   | purchases     |
| purchase, looked for     | 1 h    | Do not wait (looks at once)    | purchases     |
| purchase, needs a person | 1 day  | choose the order, Reserve anew | the overview  |
| its order, not shown     | 1 h    | Compare again                  | purchases     |

A purchase that needs a person without a reserve step that says so is told at once.
"""

from __future__ import annotations

from datetime import timedelta

from orders.models import Purchase, Reservation, Step

DAY = timedelta(days=1)

STEP_AGES: dict[str, timedelta] = {
    # Three hundred orders at once take 75 minutes at the supplier's clock; an accept
    # is due in three working hours.
    Step.Status.PENDING: timedelta(hours=2),
    # Of its claim, which lasts two minutes: longer means that nobody sweeps.
    Step.Status.IN_FLIGHT: timedelta(minutes=15),
    # Kaspi shows an effect within minutes, Al-Style lists an order within half an
    # hour; settling a purchase gives up after 45 minutes.
    Step.Status.UNKNOWN: timedelta(hours=1),
    # Told at once; a day later somebody should ask why nobody has acted.
    Step.Status.NEEDS_PERSON: DAY,
    Step.Status.REFUSED: DAY,
}
RESERVATION_AGES: dict[str, timedelta] = {
    # As long as its step may wait.
    Reservation.Status.WANTED: timedelta(hours=2),
    # Kaspi's orders are handed over within days, pre-orders within two weeks.
    Reservation.Status.HELD: timedelta(days=14),
    Reservation.Status.BY_HAND: timedelta(days=14),
    # Al-Style cancels within its working day; then its manager must be called.
    Reservation.Status.RELEASING: timedelta(hours=6),
}
# An order is shown within half an hour: after that nobody knows what is in it.
UNSHOWN_FOR = timedelta(hours=1)
PURCHASE_AGES: dict[str, timedelta] = {
    # A filling takes half a minute; a cart that is not ours is left after one look.
    Purchase.Status.OPENED: timedelta(minutes=30),
    Purchase.Status.FILLING: timedelta(minutes=30),
    # Settling hands it to a person after 45 minutes by itself.
    Purchase.Status.SUBMITTING: timedelta(hours=1),
    Purchase.Status.SOUGHT: timedelta(hours=1),
    Purchase.Status.NEEDS_PERSON: DAY,
}
