from __future__ import annotations

from sandbox import AlStyleServer, KaspiServer
from sandbox.narration import MOST_LINES, Narrator


def test_each_change_of_an_order_is_said_once():
    lines: list[str] = []
    with AlStyleServer(interval_s=0) as supplier, KaspiServer() as kaspi:
        narrator = Narrator(supplier, kaspi, say=lines.append)
        order = kaspi.new_order([{"sku": "70311", "quantity": 2, "price": 500.0}])
        narrator.turn()
        narrator.turn()
        supplier.add_good(91_001, stock=5)
        made = supplier.manager_order({91_001: 1}, external_id=order.code)
        kaspi.happen(order.code, "buyer-cancel")
        narrator.turn()

    assert [line[10:] for line in lines] == [
        f"Kaspi {order.code}: новый · 70311×2 · 1000 ₸",
        f"Kaspi {order.code}: отменён (BUYER_CANCELLATION_HIMSELF) · 70311×2 · 1000 ₸",
        f"Al-Style {made.id}: заказ создан для Kaspi {order.code} · 1000 ₸",
    ]
    assert not any(order.buyer.phone in line for line in lines)


def test_what_was_before_and_what_others_order_is_not_told():
    lines: list[str] = []
    with AlStyleServer(interval_s=0) as supplier, KaspiServer() as kaspi:
        kept = kaspi.new_order([{"sku": "1"}])
        narrator = Narrator(supplier, kaspi, say=lines.append)
        article = next(a for a, good in supplier.goods.items() if good.stock > 5)
        supplier.manager_order({article: 1}).by = "other"
        narrator.turn()
        assert lines == []
        kaspi.happen(kept.code, "buyer-cancel")
        narrator.turn()
    assert len(lines) == 1


def test_many_changes_at_once_are_summed_up():
    lines: list[str] = []
    with AlStyleServer(interval_s=0) as supplier, KaspiServer() as kaspi:
        narrator = Narrator(supplier, kaspi, say=lines.append)
        for _ in range(MOST_LINES + 30):
            kaspi.new_order([{"sku": "1"}])
        narrator.turn()
        narrator.turn()
    assert len(lines) == MOST_LINES + 1
    assert lines[-1].endswith("… и ещё изменений: 30")
