"""Zoom and filter of a map in the address."""

import numpy as np
import pytest

from pages.ui.map import view
from pages.ui.map.payload import groups
from pages.ui.map.view import View, view_of


class Query(dict):
    """`st.query_params` as far as it is used: lists for repeated names."""

    def get_all(self, key):
        value = self.get(key, [])
        return value if isinstance(value, list) else [value]

    def get(self, key, default=None):
        value = super().get(key, default)
        return value[-1] if isinstance(value, list) and default is None and key.startswith("at") else value


@pytest.fixture
def address(monkeypatch):
    query = Query()
    monkeypatch.setattr(view.st, "query_params", query)
    monkeypatch.setattr(view.st, "session_state", {})
    return query


COLOUR = groups("kind", np.arange(4), ["a", "b", "c", "d, e"])


def test_a_link_says_where_the_map_looks_and_what_it_hides(address):
    address |= {"at": "0.31,0.55,4.2", "hide": ["b", "d, e", "gone"]}
    assert view_of("", COLOUR, map_of="run/tsne") == View((0.31, 0.55, 4.2), (1, 3))
    address |= {"at-b": "0.5,0.5,2", "only-b": "c"}
    assert view_of("b", COLOUR, map_of="run/tsne") == View((0.5, 0.5, 2.0), (0, 1, 3))


@pytest.mark.parametrize("at", ["", "1,2", "a,b,c", "nan,0,1", "0.5,0.5,0", "0.5,0.5,1e9", "5,0,1"])
def test_a_view_that_is_none_shows_all(address, at):
    address["at"] = at
    assert view_of("", COLOUR, map_of="run/tsne").at is None


def test_a_filter_that_would_leave_nothing_is_none(address):
    address["only"] = ["gone"]
    assert view_of("", COLOUR, map_of="run/tsne").hidden == ()


def test_a_zoom_is_forgotten_with_its_map_and_a_filter_with_its_colour(address):
    address |= {"at": "0.3,0.5,4", "hide": ["b"]}
    view_of("", COLOUR, map_of="run/tsne")
    assert view_of("", COLOUR, map_of="run/umap") == View(None, (1,))
    other = groups("plate", np.arange(2), ["a", "b"])
    assert view_of("", other, map_of="run/umap") == View()
    assert not address


def test_a_filter_is_written_by_the_shorter_list(address, monkeypatch):
    heard = []
    monkeypatch.setattr(view, "hear_views", lambda seen, key: heard.append(seen))
    view.keep_views({"": COLOUR}, key="k")
    heard[0]({"map": "", "at": "0.1,0.2,3", "hidden": [1]})
    assert address == {"at": ["0.1,0.2,3"], "hide": ["b"]}
    heard[0]({"map": "", "at": None, "hidden": [0, 1, 2]})
    assert address == {"only": ["d, e"]}
    heard[0]({"map": "", "at": None, "hidden": []})
    heard[0]({"map": "stranger", "at": "1,1,1", "hidden": [1]})
    assert address == {}
