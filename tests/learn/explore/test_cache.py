"""What is kept, and for how long."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learn.explore.cache import Cache


@settings(max_examples=40)
@given(st.lists(st.integers(0, 8), max_size=40), st.integers(1, 5))
def test_the_least_recently_used_go_first(keys, size):
    cache, order = Cache({"stage": size}), []
    for key in keys:
        known = key in order
        made = cache.made["stage"]
        assert cache.get("stage", key, lambda key=key: key * 10) == key * 10
        assert cache.made["stage"] == made + (not known)
        order = [*(other for other in order if other != key), key][-size:]
        assert all(cache.has("stage", other) == (other in order) for other in range(9))


def test_stages_do_not_meet():
    cache = Cache({"one": 1, "two": 1})
    assert cache.get("one", 0, lambda: "a") == "a"
    assert cache.get("two", 0, lambda: "b") == "b"


def test_what_fails_is_tried_again():
    cache = Cache({"stage": 2})
    with pytest.raises(ZeroDivisionError):
        cache.get("stage", 0, lambda: 1 / 0)
    assert cache.get("stage", 0, lambda: 5) == 5


def test_threads_that_want_one_result_make_it_once():
    cache, made, found = Cache({"stage": 2}), [], []

    def make() -> int:
        made.append(1)
        time.sleep(0.05)
        return 3

    threads = [threading.Thread(target=lambda: found.append(cache.get("stage", 0, make))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [3] * 5
    assert made == [1]
