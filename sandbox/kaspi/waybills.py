"""Waybills: links signed anew at each reading, and real PDF bytes."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time

from sandbox.kaspi.orders import Waybill

MM = 72 / 25.4
WIDTH, HEIGHT = round(105 * MM), round(74 * MM)


class Signer:
    """Signs links and checks them; the key lives as long as the server."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(16)

    def query(self, number: str) -> str:
        """Return a fresh query for a waybill's link."""
        stamp = f"{time.time():.3f}.{secrets.token_hex(4)}"
        return f"expires={stamp}&sign={self._sign(number, stamp)}"

    def is_good(self, number: str, query: dict[str, str], *, ttl_s: float) -> bool:
        stamp = query.get("expires", "")
        expected = self._sign(number, stamp)
        if not hmac.compare_digest(query.get("sign", ""), expected):
            return False
        issued = float(".".join(stamp.split(".")[:2]))
        return time.time() - issued <= ttl_s

    def _sign(self, number: str, stamp: str) -> str:
        text = f"{number}/{stamp}".encode()
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()


def waybill_pdf(waybill: Waybill, *, code: str) -> bytes:
    """Draw one label of 105 × 74 mm for each place."""
    places = max(1, waybill.places)
    pages = [
        _page_text(code, waybill.number, place, places)
        for place in range(1, places + 1)
    ]
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(places))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Count {places} /Kids [{kids}] >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >>",
    ]
    for n, text in enumerate(pages):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH} {HEIGHT}]"
            f" /Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * n} 0 R >>"
        )
        objects.append(f"<< /Length {len(text)} >>\nstream\n{text}\nendstream")
    return _file(objects)


def _page_text(code: str, number: str, place: int, places: int) -> str:
    bars = "".join(
        f"{16 + 6 * n} 24 {1 + int(digit) % 4} 48 re f "
        for n, digit in enumerate(number.zfill(14))
    )
    return (
        f"BT /F1 20 Tf 16 {HEIGHT - 40} Td (KASPI DELIVERY) Tj ET "
        f"BT /F1 14 Tf 16 {HEIGHT - 68} Td (Order {code}) Tj ET "
        f"BT /F1 14 Tf 16 {HEIGHT - 90} Td (Waybill {number}) Tj ET "
        f"BT /F1 12 Tf 16 {HEIGHT - 110} Td (Place {place} of {places}) Tj ET "
        f"BT /F1 8 Tf 16 12 Td (SANDBOX - NOT A REAL PARCEL) Tj ET {bars}"
    )


def _file(objects: list[str]) -> bytes:
    text = "%PDF-1.4\n"
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(text))
        text += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    count = len(objects) + 1
    return (
        f"{text}xref\n0 {count}\n0000000000 65535 f \n{table}"
        f"trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{len(text)}\n%%EOF\n"
    ).encode("ascii")
