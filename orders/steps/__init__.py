"""One handler for each kind of step."""

from __future__ import annotations

from orders.models import Step
from orders.steps import kaspi
from orders.steps.base import Handler
from orders.steps.check import CheckHandler
from orders.steps.release import ReleaseHandler
from orders.steps.reserve import ReserveHandler
from orders.steps.trim import TrimHandler

HANDLERS: dict[Step.Kind, Handler] = {
    Step.Kind.RESERVE: ReserveHandler(),
    Step.Kind.RELEASE: ReleaseHandler(),
    Step.Kind.ACCEPT: kaspi.ACCEPT,
    Step.Kind.ASSEMBLE: kaspi.ASSEMBLE,
    Step.Kind.ARRIVE: kaspi.ARRIVE,
    Step.Kind.ARRIVE_BACK: kaspi.ARRIVE_BACK,
    Step.Kind.SEND_CODE: kaspi.SEND_CODE,
    Step.Kind.COMPLETE: kaspi.COMPLETE,
    Step.Kind.CANCEL: kaspi.CANCEL,
    Step.Kind.REMOVE_LINE: kaspi.REMOVE_LINE,
    Step.Kind.CHECK: CheckHandler(),
    Step.Kind.TRIM: TrimHandler(),
    Step.Kind.IMEI: kaspi.IMEI,
}
