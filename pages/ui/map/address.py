"""Zoom and filter of a map in the address, so that a link shows the very same view.

    ?at=0.31,0.55,4.2   the middle of the view as shares of the map's width and height, and how near it is
    ?hide=3&hide=DMSO   groups that the legend hides; `only=` names those that are left, where they are fewer

The map tells its view after it was moved; only the fragment here runs then, so nothing on the page blinks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.ui.map.facets import Facet
from pages.ui.map.view import hear_views

_FARTHEST, _NEAREST = 0.5, 400.0


@dataclass(frozen=True)
class View:
    """Where a map looks: `at` (x, y, zoom) or None for all of it, and the codes of groups that are hidden."""

    at: tuple[float, float, float] | None = None
    hidden: tuple[int, ...] = ()


def view_of(name: str, colour: Facet, *, map_of: str) -> View:
    """The view that the address asks for.

    Args:
        name: of the map, "" where a page has one; it ends the names in the address.
        colour: what the legend filters.
        map_of: what the map shows. A zoom belongs to one map and a filter to one colour: they are forgotten with them.
    """
    _forget(name, "at", map_of)
    _forget(name, "groups", colour.title)
    return View(_at(st.query_params.get(_key("at", name))), _hidden(name, colour))


def keep_views(colours: Mapping[str, Facet], *, key: str) -> None:
    """Write the views of a page's maps into the address as they change; takes no room.

    Args:
        colours: what the legend of each map filters, by the map's name.
    """

    def seen(event: dict[str, Any]) -> None:
        name = str(event.get("map", ""))
        if name in colours:
            _write(_key("at", name), [event["at"]] if event.get("at") else [])
            _write_groups(name, colours[name], [int(code) for code in event.get("hidden", [])])

    hear_views(seen, key=key)


def _write_groups(name: str, colour: Facet, hidden: list[int]) -> None:
    names = dict(enumerate(colour.names))
    gone = [names[code] for code in hidden if code in names]
    left = [group for code, group in names.items() if code not in hidden]
    few = len(gone) <= len(left) or not left
    _write(_key("hide", name), gone if few else [])
    _write(_key("only", name), [] if few else left)


def _hidden(name: str, colour: Facet) -> tuple[int, ...]:
    if colour.codes is None:
        return ()
    hide, only = (set(st.query_params.get_all(_key(word, name))) for word in ("hide", "only"))
    only &= set(colour.names)
    return tuple(code for code, group in enumerate(colour.names) if group in hide or (only and group not in only))


def _at(text: str | None) -> tuple[float, float, float] | None:
    try:
        x, y, zoom = (float(part) for part in (text or "").split(","))
    except ValueError:
        return None
    sound = all(math.isfinite(v) and -1 <= v <= 2 for v in (x, y)) and _FARTHEST <= zoom <= _NEAREST
    return (x, y, zoom) if sound else None


def _forget(name: str, what: str, belongs_to: str) -> None:
    """Take from the address what belonged to another map or colour of this visit."""
    kept = f"map-{name}-{what}-of"
    if st.session_state.get(kept, belongs_to) != belongs_to:
        for word in ("at",) if what == "at" else ("hide", "only"):
            _write(_key(word, name), [])
    st.session_state[kept] = belongs_to


def _key(word: str, name: str) -> str:
    return f"{word}-{name}" if name else word


def _write(key: str, values: list[str]) -> None:
    if values and st.query_params.get_all(key) != values:
        st.query_params[key] = values
    elif not values and key in st.query_params:
        del st.query_params[key]
