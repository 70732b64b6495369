"""A tiny client of the control API, for peers that run in another process."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener


class Control:
    """Call `Control(root_url).call("set-good", article=70311, fields={...})`.

    `root_url` is the peer's scheme, host and port, without a path.
    """

    def __init__(self, root_url: str, *, timeout_s: float = 30.0) -> None:
        self._root = root_url.rstrip("/")
        self._timeout_s = timeout_s
        self._opener = build_opener(ProxyHandler({}))

    def call(self, verb: str, /, **arguments: Any) -> Any:
        """Return the verb's result; a refusal raises ValueError with its words."""
        request = Request(  # noqa: S310 - loopback only
            f"{self._root}/_control/{verb}",
            data=json.dumps(arguments).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                return json.load(answer)["result"]
        except HTTPError as error:
            with error:
                raise ValueError(error.read().decode("utf-8", "replace")) from error
