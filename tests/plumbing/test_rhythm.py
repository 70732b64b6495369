"""The moments at which all parts do what they do now and then."""

from __future__ import annotations

import pytest

from plumbing.rhythm import until_next


@pytest.mark.parametrize(
    ("now_s", "left_s"), [(60.0, 30.0), (61.5, 28.5), (89.75, 0.25), (90.0, 30.0)]
)
def test_all_wait_for_the_same_moment_whenever_they_begin(monkeypatch, now_s, left_s):
    monkeypatch.setattr("time.monotonic", lambda: now_s)
    assert until_next(30.0) == left_s
