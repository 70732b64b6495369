"""A plain client of Kaspi's orders API, for the sandbox's own tests."""

from __future__ import annotations

import requests

from sandbox import KaspiServer

GE = "filter[orders][creationDate][$ge]"
LE = "filter[orders][creationDate][$le]"
STATE = "filter[orders][state]"
CODE = "filter[orders][code]"
INCLUDE = "include[orders]"
DAY_MS = 86_400_000


class Merchant:
    """Speaks the orders API as the bridge will."""

    def __init__(self, peer: KaspiServer, http: requests.Session) -> None:
        self.peer, self.http = peer, http

    def send(self, verb, path, *, headers=None, timeout=5, **options):
        sent = {
            "X-Auth-Token": self.peer.token,
            "Content-Type": "application/vnd.api+json",
            "Accept": "application/vnd.api+json",
            "User-Agent": "kaspi-bridge/1.0",
        } | (headers or {})
        url = path if path.startswith("http") else f"{self.peer.url}/{path}"
        return self.http.request(verb, url, headers=sent, timeout=timeout, **options)

    def now_ms(self):
        return int(self.peer.clock.timestamp() * 1000)

    def list(self, **params):
        given = {
            "page[number]": 0,
            "page[size]": 100,
            GE: self.now_ms() - 13 * DAY_MS,
        } | params
        given = {name: value for name, value in given.items() if value is not None}
        return self.send("GET", "v2/orders", params=given)

    def codes(self, **params):
        return [row["attributes"]["code"] for row in self.list(**params).json()["data"]]

    def order(self, code, **params):
        answer = self.send("GET", "v2/orders", params={CODE: code} | params).json()
        return answer["data"][0] if answer["data"] else None

    def attributes(self, code):
        return self.order(code)["attributes"]

    def entries(self, order):
        return self.send("GET", f"v2/orders/{order.id}/entries").json()["data"]

    def write(self, order, status, headers=None, **attributes):
        attributes = {"code": order.code, "status": status} | attributes
        data = {"type": "orders", "id": order.id, "attributes": attributes}
        return self.send("POST", "v2/orders", headers=headers, json={"data": data})

    def accept(self, order):
        return self.write(order, "ACCEPTED_BY_MERCHANT")


def title(answer):
    return answer.json()["errors"][0]["title"]
