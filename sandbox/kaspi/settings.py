"""Kaspi's switches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sandbox.clock import DAY_S, HOUR_S

WAYBILL_LINKS = {
    "good": "",
    "bad-host": "https://[bad/x.pdf",
    "bad-port": "https://kaspi.example:abc/x.pdf",
    "huge-port": "https://kaspi.example:99999/x.pdf",
}


@dataclass(slots=True, kw_only=True)
class KaspiSettings:
    """Switches of the edge, the answers, the writes and the orders' life.

    Edge:
      drop_default_agents: say nothing to default or missing User-Agents, for hang_s.
      need_accept: a call without Accept gets an HTML 404.
      need_content_type: a write of another type than JSON:API gets 415.
      refusal_status: how a bad token is refused: 401 or 403.
      merchant_uid: without it in X-Merchant-Uid every list is a 200 with nothing in
        it; "" = the header is not needed.
      requests_per_s: above it 429 with Retry-After; 0 = no limit.
    Answers:
      state_required: a list without a state is a 400.
      sign_required_400: `state=SIGN_REQUIRED` is a 400.
      older_by_s: lists hold orders this much older than `$ge`.
      clock_skew_s: Kaspi's clock runs ahead by so much.
      date_skew_s: and what the answers' heads say of the time by so much more.
      omit_offer: entries have no `offer`.
      links_only: relationships hold links and no data.
      relative_links: links have no scheme and host.
      masked_phones: phones are shown as "+0(000)-000-00-00".
      null_attributes, omit_attributes: order attributes shown as null or not at all.
    Writes:
      forbidden_status: HTTP status of a forbidden transition.
      completing_needs_send_code: COMPLETED with the buyer's code alone is refused.
      write_lag_s: reads show the old state for so long after a write.
      assembled_word: share of ASSEMBLE answers that say ASSEMBLED.
      waybill_after_s: when the waybill shows; None = within 15 s for two in three,
        up to 3 minutes for the rest.
      waybill_link: good | bad-host | bad-port | huge-port: one nobody can parse.
      waybill_link_ttl_s: how long a signed link works, in real seconds.
      arrived_404: ARRIVED answers 404.
      refuse_buyer_cancellation: BUYER_CANCELLATION_BY_MERCHANT is refused.
      entry_cancel_lag_s: above 0 orderEntryCancelOperation says INPROGRESS.
    Life, in the sandbox's seconds; the delays are divided by `life_speed`, the
    deadlines are not:
      states_move: orders move on by themselves.
      sign_after_s, buyer_cancels_after_s, handover_after_s, transit_s,
      to_warehouse_s, return_after_s: delays.
      accept_within_s, express_within_s, pickup_storage_s, handover_within_s:
      deadlines; the first counts the hours from opens_at to closes_at, Almaty.
    """

    drop_default_agents: bool = True
    hang_s: float = 120.0
    need_accept: bool = True
    need_content_type: bool = True
    refusal_status: int = 401
    merchant_uid: str = ""
    requests_per_s: float = 0.0

    state_required: bool = False
    sign_required_400: bool = False
    older_by_s: float = 1.0
    clock_skew_s: float = 0.0
    date_skew_s: float = 0.0
    omit_offer: bool = False
    links_only: bool = False
    relative_links: bool = False
    masked_phones: bool = False
    null_attributes: list[str] = field(default_factory=list)
    omit_attributes: list[str] = field(default_factory=list)

    forbidden_status: int = 400
    completing_needs_send_code: bool = True
    write_lag_s: float = 0.0
    assembled_word: float = 0.5
    waybill_after_s: float | None = None
    waybill_link: str = "good"
    waybill_link_ttl_s: float = 600.0
    arrived_404: bool = False
    refuse_buyer_cancellation: bool = False
    entry_cancel_lag_s: float = 0.0

    states_move: bool = True
    life_speed: float = 1.0
    sign_after_s: float = 600.0
    buyer_cancels_after_s: float = 900.0
    handover_after_s: float = 4 * HOUR_S
    transit_s: float = 2 * DAY_S
    to_warehouse_s: float = DAY_S
    return_after_s: float = 3 * DAY_S
    accept_within_s: float = 3 * HOUR_S
    express_within_s: float = HOUR_S
    pickup_storage_s: float = 3 * DAY_S
    handover_within_s: float = DAY_S
    opens_at: int = 0
    closes_at: int = 24

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "waybill_link" and value not in WAYBILL_LINKS:
            raise ValueError(f"{name} is one of {', '.join(WAYBILL_LINKS)}")
        object.__setattr__(self, name, value)
