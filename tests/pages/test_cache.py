"""One cache for what pages keep: by value, bounded in memory, the same for every thread."""

import threading
import time
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pages.ui.kit import cache
from ssrl_core.specs.composition import Composition, Step


@dataclass(frozen=True)
class Scene:
    cache_key: str
    pixels: np.ndarray


def counting(**options):
    """A kept function that counts how often it works."""
    made = []

    @cache.kept(**options)
    def double(*args):
        made.append(args)
        return args

    double.clear()
    return double, made


def test_equal_compositions_are_one_key_and_one_setting_makes_another():
    double, made = counting()
    for degrees in (25, 25, 30):
        double(Composition.simple("mine", [Step("rotation", settings={"degrees": degrees})]))
    assert len(made) == 2


def test_arrays_are_known_by_content_and_numbers_by_type():
    double, made = counting()
    double(np.arange(4))
    double(np.arange(4))
    assert len(made) == 1
    for other in (np.arange(4.0), np.arange(4).reshape(2, 2), 1, 1.0, True):
        double(other)
    assert len(made) == 6


def test_an_image_set_is_known_by_content_and_channels_and_other_objects_by_their_own_key():
    double, made = counting()
    double(SimpleNamespace(name="a", fingerprint="f", channels=("grey",)))
    double(SimpleNamespace(name="a", fingerprint="f", channels=("grey",), count=9))
    double(SimpleNamespace(name="a", fingerprint="f", channels=("red",)))
    assert len(made) == 2
    double(Scene("run/1", np.zeros(3)))
    double(Scene("run/1", np.ones(3)))
    assert len(made) == 3


def test_by_names_what_counts():
    double, made = counting(by=lambda name, held: name)
    assert double("a", [1]) == double("a", [2])
    assert len(made) == 1


def test_what_can_change_is_no_key():
    double, _ = counting()
    with pytest.raises(TypeError):
        double({1, 2})


def test_what_raises_is_tried_again():
    tried = []

    @cache.kept
    def refuses():
        tried.append(1)
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            refuses()
    assert len(tried) == 2


def test_the_longest_unused_go_first_and_the_newest_of_each_owner_stay():
    store = cache.Cache(most_bytes=3500)
    for key in "abc":
        store.get("f", key, lambda: np.zeros(1000, np.uint8))
    store.get("f", "a", lambda: pytest.fail("it is there"))
    store.get("f", "d", lambda: np.zeros(1000, np.uint8))
    store.get("f", "a", lambda: pytest.fail("it was used after b"))
    store.get("g", "large", lambda: np.zeros(10_000, np.uint8))
    assert len(store) == 2  # the newest of f, and the large one although it is too large
    made = []
    store.get("f", "b", lambda: made.append(1))
    assert made


def test_threads_that_ask_at_once_get_one_answer():
    store, made, answers = cache.Cache(), [], []

    def make():
        made.append(1)
        time.sleep(0.05)
        return object()

    threads = [threading.Thread(target=lambda: answers.append(store.get("f", "key", make))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len(set(map(id, answers))) == 1


def test_clearing_one_function_leaves_the_others():
    first, made_first = counting(by=lambda x: ("first", x))
    store = cache.Cache()
    store.get("f", 1, lambda: 1)
    store.get("g", 1, lambda: 1)
    store.clear("f")
    assert len(store) == 1
    first(1)
    first.clear()
    first(1)
    assert len(made_first) == 2


def test_sizes_count_what_is_inside():
    assert cache.size_of({"a": np.zeros(1000)}) > 8000
    assert cache.size_of((b"x" * 500, b"y" * 500)) > 1000
    assert cache.size_of(Scene("k", np.zeros(1000))) > 8000
    assert cache.size_of(pd.DataFrame({"a": np.arange(1000)})) > 8000
