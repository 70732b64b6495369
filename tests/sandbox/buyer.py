"""Buys from the sandbox's Al-Style as the bridge would."""

from __future__ import annotations

import json

import requests

from sandbox import AlStyleServer

DELIVERY = {"СпособДоставки": "Самовывоз", "БИН": "000000000001"}


class Buyer:
    """Speaks the cart-api as the bridge will."""

    def __init__(self, peer: AlStyleServer, http: requests.Session) -> None:
        self.peer, self.http = peer, http

    def send(self, path, verb="GET", files=None, timeout=5, **params):
        params = {"access-token": self.peer.token} | params
        url = f"{self.peer.url}/{path}"
        return self.http.request(verb, url, params=params, files=files, timeout=timeout)

    def add(self, article, quantity):
        return self.send("cart-api/add", add=article, quantity=quantity).json()

    def cart(self):
        return self.send("cart-api/get").json()["data"]

    def papers(self, **params):
        attorney = self.send("api/user-data").json()["data"]["Доверенности"][0]
        return {
            "shipping_date": "11.03.2030",
            "attorney_json": json.dumps(attorney),
            "delivery_json": json.dumps(DELIVERY),
        } | params

    def submit(self, **params):
        answer = self.send("cart-api/submit", "POST", **self.papers(**params))
        return answer.json()

    def order(self, article, quantity, **params):
        self.add(article, quantity)
        return self.submit(**params)["data"]["id"]

    def orders(self, **params):
        return self.send("api/orders", **params).json()
