"""Orders, lines and the rest as Kaspi writes them in JSON:API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.kaspi.orders import (
    MASKED_PHONE,
    Entry,
    KaspiOrder,
    product_number,
    to_id,
)
from sandbox.kaspi.settings import WAYBILL_LINKS, KaspiSettings
from sandbox.kaspi.waybills import Signer

POINT = "PP1"
CITIES = {
    "750000000": "Алматы",
    "710000000": "Астана",
    "511010000": "Шымкент",
    "351010000": "Караганда",
    "151010000": "Актобе",
    "551010000": "Павлодар",
    "632810000": "Семей",
    "311010000": "Тараз",
    "471010000": "Актау",
    "231010000": "Атырау",
    "271010000": "Уральск",
    "391010000": "Костанай",
    "591010000": "Петропавловск",
    "631010000": "Усть-Каменогорск",
    "431010000": "Кызылорда",
    "191010000": "Талдыкорган",
    "512610000": "Туркестан",
}
MODES = {
    "kaspi": "DELIVERY_REGIONAL_TODOOR",
    "postomat": "DELIVERY_PICKUP",
    "pickup": "DELIVERY_PICKUP",
    "delivery": "DELIVERY_LOCAL",
}

Json = dict[str, Any]


class Writer:
    """Writes resources; `base` gives the address that links begin with."""

    def __init__(
        self,
        *,
        settings: KaspiSettings,
        merchant_id: str,
        base: Callable[[], str],
        signer: Signer,
    ) -> None:
        self._settings = settings
        self._merchant_id = merchant_id
        self._base = base
        self._signer = signer

    def link(self, path: str) -> str:
        base = self._base()
        if self._settings.relative_links:
            base = "/" + base.split("/", 3)[3]
        return f"{base}/v2/{path}"

    def _relation(self, path: str, data: Any) -> Json:
        relation: Json = {"links": {"related": self.link(path)}}
        if not self._settings.links_only:
            relation["data"] = data
        return relation

    def ms(self, timestamp: float | None) -> int | None:
        """Return a moment in milliseconds, by Kaspi's own clock."""
        if timestamp is None:
            return None
        return int((timestamp + self._settings.clock_skew_s) * 1000)

    # -- orders -----------------------------------------------------------------------

    def order(self, order: KaspiOrder, now: float) -> Json:
        attributes = self._attributes(order, now)
        attributes |= dict.fromkeys(self._settings.null_attributes)
        attributes |= order.raw
        for name in (*self._settings.omit_attributes, *order.omit):
            attributes.pop(name, None)
        lines = [
            {"type": "orderentries", "id": order.entry_id(entry)}
            for entry in order.entries
        ]
        user = {"type": "customers", "id": order.buyer.id}
        path = f"orders/{order.id}"
        return {
            "type": "orders",
            "id": order.id,
            "attributes": attributes,
            "relationships": {
                "user": self._relation(f"{path}/user", user),
                "entries": self._relation(f"{path}/entries", lines),
            },
            "links": {"self": self.link(path)},
        }

    def _attributes(self, order: KaspiOrder, now: float) -> Json:
        state, status, assembled = order.view(now)
        attributes: Json = {
            "code": order.code,
            "totalPrice": order.total,
            "paymentMode": order.payment_mode,
            "plannedDeliveryDate": self.ms(order.planned_delivery),
            "creationDate": self.ms(order.created),
            "deliveryCostForSeller": order.fee,
            "isKaspiDelivery": order.is_kaspi_delivery,
            "deliveryMode": MODES[order.kind],
            "signatureRequired": order.signature_required,
            "deliveryCost": order.delivery_cost,
            "state": state,
            "status": status,
            "preOrder": order.preorder_days is not None,
            "pickupPointId": f"{self._merchant_id}_{POINT}",
            "assembled": assembled,
            "approvedByBankDate": self.ms(order.approved),
            "customer": self.customer(order)["attributes"]
            | {"id": order.buyer.id, "name": None},
            "originAddress": {
                "id": self.point_id(),
                "displayName": POINT,
                "address": _shop_address(),
                "city": self.city("750000000"),
            },
        }
        if order.credit_term is not None:
            attributes["creditTerm"] = order.credit_term
        if order.kind != "pickup":
            attributes["deliveryAddress"] = _address(order)
        if order.is_kaspi_delivery:
            attributes["kaspiDelivery"] = self._delivery(order, now)
        else:
            attributes["reservationDate"] = self.ms(order.planned_delivery)
        if order.reason is not None:
            attributes["cancellationReason"] = order.reason
        return attributes

    def _delivery(self, order: KaspiOrder, now: float) -> Json:
        ready = [waybill for waybill in order.waybills if waybill.ready_at <= now]
        number = ready[-1].number if ready else None
        url = None
        if number is not None:
            url = WAYBILL_LINKS[self._settings.waybill_link] or self.link(
                f"waybills/{number}.pdf?{self._signer.query(number)}"
            )
        return {
            "waybill": url,
            "waybillNumber": number,
            "courierTransmissionDate": self.ms(order.marks.get("handed")),
            "courierTransmissionPlanningDate": self.ms(order.handover_deadline),
            "express": order.express,
            "returnedToWarehouse": order.returned_to_warehouse,
        }

    def customer(self, order: KaspiOrder) -> Json:
        masked = order.masked_phone or self._settings.masked_phones
        return {
            "type": "customers",
            "id": order.buyer.id,
            "attributes": {
                "cellPhone": MASKED_PHONE if masked else order.buyer.phone,
                "firstName": order.buyer.first_name,
                "lastName": order.buyer.last_name,
            },
        }

    # -- lines ------------------------------------------------------------------------

    def entry(self, order: KaspiOrder, entry: Entry) -> Json:
        path = f"orderentries/{order.entry_id(entry)}"
        attributes: Json = {
            "unitType": entry.unit_type,
            "quantity": entry.quantity,
            "basePrice": entry.price,
            "totalPrice": entry.total,
            "weight": entry.weight,
            "entryNumber": entry.number,
            "deliveryCost": 0.0,
            "isImeiRequired": entry.needs_imei,
            "category": {"code": "Master - Goods", "title": "Товары"},
        }
        if entry.shows_offer and entry.shows_product and not self._settings.omit_offer:
            attributes["offer"] = {"code": entry.sku, "name": entry.name}
        product = {"type": "masterproducts", "id": to_id(product_number(entry.sku))}
        point = {"type": "pointofservices", "id": self.point_id()}
        relations = {
            "deliveryPointOfService": self._relation(
                f"{path}/deliveryPointOfService", point
            )
        }
        if entry.shows_product:
            relations["product"] = self._relation(f"{path}/product", product)
        return {
            "type": "orderentries",
            "id": order.entry_id(entry),
            "attributes": attributes | entry.raw,
            "relationships": relations,
            "links": {"self": self.link(path)},
        }

    def product(self, number: str, name: str) -> Json:
        """Return Kaspi's product card; its `code` is Kaspi's number, not ours."""
        return {
            "type": "masterproducts",
            "id": to_id(number),
            "attributes": {"code": number, "name": name, "category": "Товары"},
        }

    def merchant_product(self, number: str, sku: str) -> Json:
        """Return the shop's side of a product card; its `code` is the SKU."""
        return {
            "type": "merchantproducts",
            "id": to_id(f"{self._merchant_id}##{number}"),
            "attributes": {"code": sku, "name": f"Товар {sku}"},
        }

    # -- places -----------------------------------------------------------------------

    def point_id(self) -> str:
        return to_id(f"{self._merchant_id}_{POINT}")

    def point(self) -> Json:
        return {
            "type": "pointofservices",
            "id": self.point_id(),
            "attributes": {"displayName": POINT, "address": _shop_address()},
        }

    def city(self, code: str) -> Json:
        """Return a city as addresses hold it."""
        name = CITIES.get(code, "Алматы")
        return {"id": to_id(code), "code": code, "name": name, "active": True}

    def cities(self) -> list[Json]:
        return [
            {
                "type": "cities",
                "id": to_id(code),
                "attributes": {"code": code, "name": name, "active": True},
            }
            for code, name in CITIES.items()
        ]


def _shop_address() -> Json:
    return {
        "streetName": "Тестовая улица",
        "streetNumber": "1",
        "town": "Алматы",
        "formattedAddress": "Алматы, Тестовая улица, 1",
    }


def _address(order: KaspiOrder) -> Json:
    town = CITIES.get(order.city, "Алматы")
    return {
        "streetName": "Примерная улица",
        "streetNumber": "10",
        "town": town,
        "district": None,
        "building": None,
        "apartment": "5",
        "formattedAddress": f"{town}, Примерная улица, 10, 5",
        "latitude": 43.238,
        "longitude": 76.945,
    }
