from __future__ import annotations

import gc

import pytest

from plumbing.collecting import RARER, collecting_rarely


def test_python_collects_as_before_when_the_last_of_several_blocks_is_left():
    first, *others = before = gc.get_threshold()
    with pytest.raises(ZeroDivisionError), collecting_rarely():
        with collecting_rarely():
            assert gc.get_threshold() == (RARER * first, *others)
        assert gc.get_threshold() == (RARER * first, *others)
        raise ZeroDivisionError
    assert gc.get_threshold() == before
