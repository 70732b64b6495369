"""How the bridge writes its log: one line an event, without secrets and buyers."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

from plumbing import tracing
from plumbing.logfile import LINE, event_of
from plumbing.redaction import redact, without_phones

# Of an answer that an error quotes; the end of the quotation may be cut off.
PERSONAL = re.compile(
    r'("(?:firstName|lastName|cellPhone|phone|formattedAddress|streetName|streetNumber'
    r'|building|apartment|recipient\w*)"\s*:\s*)"[^"]*("|$)',
    re.IGNORECASE,
)
NEXT_LINE = re.compile(r"\s*\n\s*")


def without_buyers(text: str) -> str:
    """Take out secrets, and what looks like a buyer's name, phone or address."""
    return without_phones(PERSONAL.sub(r'\1"***\2', redact(text)))


def scrubbed(value: Any) -> Any:
    """Take the same out of all texts in a structure."""
    if isinstance(value, str):
        return without_buyers(value)
    if isinstance(value, dict):
        return {key: scrubbed(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [scrubbed(inner) for inner in value]
    return value


class LineFormatter(logging.Formatter):
    """A line an event, traceback included; its ids stand at the end."""

    def __init__(self) -> None:
        super().__init__(LINE)

    def format(self, record: logging.LogRecord) -> str:
        line = NEXT_LINE.sub(" | ", without_buyers(super().format(record)).strip())
        known = " ".join(f"{name}={value}" for name, value in tracing.ids().items())
        return f"{line} [{known}]" if known else line


class JsonFormatter(logging.Formatter):
    """A JSON object an event, for programs that gather logs."""

    def format(self, record: logging.LogRecord) -> str:
        told = {**event_of(record), **tracing.ids()}
        told["message"] = without_buyers(str(told["message"]))
        if record.exc_info:
            told["exception"] = without_buyers(self.formatException(record.exc_info))
        return json.dumps(told, ensure_ascii=False)
