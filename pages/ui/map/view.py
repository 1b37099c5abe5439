"""The map of an embedding: one scatter for every page, small, drawn without a graphics card; and where it looks.

Zoom and filter are in the address, so that a link shows the very same view:

    ?at=0.31,0.55,4.2   the middle of the view as shares of the map's width and height, and how near it is
    ?hide=3&hide=DMSO   groups that the legend hides; `only=` names those that are left, where they are fewer

The map reports its view after it was moved; only the fragment here runs then, so nothing on the page blinks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.kit.gallery import Array, heard, script
from pages.ui.map.payload import Facet
from ssrl_core.analysis.layouts import in_polygon
from ssrl_core.errors import SpecError

_HERE = Path(__file__).parent
_FARTHEST, _NEAREST = 0.5, 400.0
_CSS = """
.map { font-family: var(--st-font); color: var(--st-text-color); font-size: 13px; }
.stage { position: relative; height: 560px; border: 1px solid var(--st-border-color); border-radius: 6px;
  overflow: hidden; background: var(--st-background-color); }
.stage > canvas { position: absolute; inset: 0; width: 100%; height: 100%; }
.over { touch-action: none; outline: none; }
.keyed .over:focus { box-shadow: inset 0 0 0 2px var(--st-primary-color); }
.tools { position: absolute; left: 8px; top: 8px; display: flex; flex-direction: column; gap: 1px; padding: 3px;
  border: 1px solid var(--st-border-color); border-radius: 6px; background: var(--st-background-color); opacity: .94; }
.tools.across { flex-direction: row; align-items: center; }
.tools.across hr { width: 0; height: 20px; margin: auto 2px; border: 0; border-left: 1px solid var(--st-border-color); }
.tools button { all: unset; width: 28px; height: 28px; display: grid; place-items: center; border-radius: 4px;
  cursor: pointer; color: inherit; opacity: .7; }
.tools button:hover { background: var(--st-secondary-background-color); opacity: 1; }
.tools button:focus-visible { box-shadow: 0 0 0 2px var(--st-primary-color); }
.tools button[aria-pressed="true"] { color: var(--st-primary-color); opacity: 1;
  background: var(--st-secondary-background-color); }
.tools svg { width: 17px; height: 17px; fill: none; stroke: currentColor; stroke-width: 1.5; stroke-linecap: round;
  stroke-linejoin: round; }
.tools hr { width: 20px; margin: 2px auto; border: 0; border-top: 1px solid var(--st-border-color); }
.card { position: absolute; z-index: 5; pointer-events: none; padding: 6px; border-radius: 6px; max-width: 240px;
  background: var(--st-background-color); border: 1px solid var(--st-border-color);
  box-shadow: 0 3px 14px rgba(0, 0, 0, .22); }
.card[hidden] { display: none; }
.card canvas { display: block; border-radius: 3px; background: #0b0d10; margin: 0 auto 4px; }
.card canvas[hidden] { display: none; }
.card .words { font-size: 12px; line-height: 1.45; font-variant-numeric: tabular-nums; }
.card .words div { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.card i, .legend i { display: inline-block; width: 9px; height: 9px; border-radius: 50%; margin-right: 5px; }
.card span { opacity: .65; }
.legend { display: flex; flex-wrap: wrap; gap: 2px; align-items: center; align-content: flex-start; margin-top: 6px;
  min-height: 30px; overflow-y: auto; font-variant-numeric: tabular-nums; }
.legend .title { opacity: .65; margin-right: 6px; }
.legend button { all: unset; display: inline-flex; align-items: center; gap: 0; padding: 2px 7px; border-radius: 12px;
  cursor: pointer; white-space: nowrap; max-width: 200px; overflow: hidden; text-overflow: ellipsis; }
.legend button:hover { background: var(--st-secondary-background-color); }
.legend button:focus-visible { box-shadow: 0 0 0 2px var(--st-primary-color); }
.legend button[aria-pressed="false"] { opacity: .38; text-decoration: line-through; }
.legend small { opacity: .6; margin-left: 5px; font-size: 11px; }
.legend .ramp { width: 160px; height: 10px; border-radius: 5px; margin: 0 6px; }
"""


def _icon(path: str) -> str:
    return f'<svg viewBox="0 0 20 20" aria-hidden="true"><path d="{path}"/></svg>'


def _tool(attributes: str, title: str, path: str) -> str:
    return f'<button type="button" {attributes} title="{title}" aria-label="{title}">{_icon(path)}</button>'


_HTML = f"""
<div class="map">
  <div class="stage">
    <canvas class="points"></canvas>
    <canvas class="over" tabindex="0" role="application" aria-label="Map of the images. Arrow keys go from point to point,
      Enter picks one, L lasso, B box, P move, plus and minus zoom, 0 shows all, Escape clears."></canvas>
    <div class="tools" role="toolbar" aria-label="Map tools">
      {_tool('data-tool="lasso"', "Lasso: draw around points (L)", "M10 4c4 0 7 2 7 4.6S14 13 10 13c-1.5 0-3-.3-4.1-.8M6 12.2C4.2 11.4 3 10.1 3 8.6 3 6 6 4 10 4M6 12.2c1.6 0 1.7 2.3.4 3.3M6.4 15.5c-.6.5-1.5.8-2.4 1")}
      {_tool('data-tool="box"', "Box: drag a rectangle (B)", "M4 4h12v12H4z")}
      {_tool('data-tool="pan"', "Move the map (P, or hold Space)", "M10 2.5v15M2.5 10h15M10 2.5l-2 2m2-2 2 2M10 17.5l-2-2m2 2 2-2M2.5 10l2-2m-2 2 2 2M17.5 10l-2-2m2 2-2 2")}
      <hr>
      {_tool('data-zoom="in"', "Closer (+, or the wheel with Ctrl or after a click)", "M10 4v12M4 10h12")}
      {_tool('data-zoom="out"', "Farther (-)", "M4 10h12")}
      {_tool('data-zoom="home"', "Show all (0)", "M3 7V3h4M13 3h4v4M17 13v4h-4M7 17H3v-4")}
      <hr>
      {_tool('data-toggle="pictures" aria-pressed="true"', "Pictures instead of points where there is room", "M3 4h14v12H3zM3 13l4-4 4 4 2-2 4 4M13.5 7.5h.01")}
    </div>
    <div class="card" hidden><canvas></canvas><div class="words"></div></div>
  </div>
  <div class="legend" role="group" aria-label="Legend"></div>
</div>
"""  # noqa: E501


MAP_JS = script(*(_HERE / f"{name}.js" for name in ("shared", "points", "raster", "overlay", "input", "view")))
SHEET_JS = script(*(_HERE / f"{name}.js" for name in ("shared", "sheet")))

_DONE = {"kind": str, "row": int, "group": int, "how": str, "outline": [[float]], "hidden": [int]}
_MOST_ASKED = 1000  # thumbnails at once; a map asks for 260

_map = st.components.v2.component("viewloom_map", html=_HTML, css=_CSS, js=MAP_JS)
_sheet = st.components.v2.component("viewloom_map_sheet", html="<i hidden></i>", js=SHEET_JS)
_views = st.components.v2.component("viewloom_map_views", html="<i hidden data-views></i>", js=SHEET_JS)
_asks = st.components.v2.component("viewloom_map_asks", html="<i hidden data-asks></i>", js=SHEET_JS)


def show_map(block: bytes, *, key: str, on_done: Callable[[dict[str, Any]], None]) -> None:
    """Draw a map.

    Args:
        block: of `payload.pack_map`; the blocks that it names are sent by `send_blocks`, before or after.
        on_done: called before the rerun with what was done on it: {kind: lasso | box, outline [[x, y]…] in the units of
            the points, how: new | add | remove, hidden: [groups]}, {kind: point, row}, {kind: group, group, how} (a
            group of the legend) or {kind: clear}.
    """

    def done() -> None:
        event = heard(key, "done", _DONE)
        if event:
            with suppress(SpecError):  # an outline that no map draws
                on_done(event)

    _map(key=key, data=block, on_done_change=done)


def send_blocks(blocks: dict[str, bytes | None]) -> None:
    """Send places, colours and thumbnails (`payload`) to the maps of this page; takes no room.

    Args:
        blocks: by key; what was sent before under any key is not sent again.
    """
    with st.container(key=f"{next(iter(blocks), 'map')}-unseen", height=1, border=False, gap=None):
        for key, block in blocks.items():
            _sheet(key=key, data=block)


@st.fragment
def answer_asks(answer: Callable[[str, list[int]], bytes | None], *, key: str) -> None:
    """Send the thumbnails that a map asks for, where all of them are too many for one file; takes no room.

    Args:
        answer: the block of some rows (`payload.some_pictures`), given the name of the thumbnails and the rows.
    """
    wanted = st.session_state.get(f"{key}-wanted")

    def asked() -> None:
        event = heard(key, "ask", {"name": str, "rows": [int]})
        if event:
            st.session_state[f"{key}-wanted"] = event.get("name", ""), event.get("rows", [])[:_MOST_ASKED]

    with st.container(key=f"{key}-unseen", height=1, border=False):
        _asks(key=key, data=answer(*wanted) if wanted else None, on_ask_change=asked)


@st.fragment
def hear_views(seen: Callable[[dict[str, Any]], None], *, key: str) -> None:
    """Hear where the maps of this page look; takes no room, and nothing else runs again.

    Args:
        seen: called with {map: its name, at: "x,y,zoom" or None for all of it, hidden: [codes]} after a map was moved.
    """

    def changed() -> None:
        event = heard(key, "view", {"map": str, "at": str, "hidden": [int]})
        if event:
            seen(event)

    with st.container(key=f"{key}-unseen", height=1, border=False):
        _views(key=key, on_view_change=changed)


def enclosed(event: dict[str, Any], points: Array, codes: Array | None) -> Array:
    """Which rows an outline took, in full precision.

    Args:
        event: a lasso or box event of `show_map`.
        points: (n, 2) as the map was given.
        codes: (n,) groups that the legend filters, None for a scale.

    Returns:
        (n,) bool; points of groups that were hidden are left out.

    Raises:
        SpecError: an outline that is none.
    """
    try:
        outline = np.asarray(event["outline"], np.float64).reshape(-1, 2)
        hidden = [int(group) for group in event.get("hidden", [])]
    except (KeyError, TypeError, ValueError) as error:
        raise SpecError.at("Map", "outline", "a list of corners", event) from error
    found = in_polygon(points, outline)
    if codes is not None and hidden:
        found &= ~np.isin(codes, hidden)
    return found


def combined(event: dict[str, Any], found: Array, before: Array | None) -> Array:
    """(n,) bool: the selection after an outline: new, added to (Shift) or taken from (Alt) the one before."""
    if before is None or event.get("how", "new") == "new":
        return found
    return before | found if event["how"] == "add" else before & ~found


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
    return View(_place_of(st.query_params.get(_address_key("at", name))), _hidden(name, colour))


def keep_views(colours: Mapping[str, Facet], *, key: str) -> None:
    """Write the views of a page's maps into the address as they change; takes no room.

    Args:
        colours: what the legend of each map filters, by the map's name.
    """

    def seen(event: dict[str, Any]) -> None:
        name = event.get("map", "")
        if name in colours:
            _write(_address_key("at", name), [event["at"]] if _place_of(event.get("at")) else [])
            _write_groups(name, colours[name], event.get("hidden", []))

    hear_views(seen, key=key)


def _write_groups(name: str, colour: Facet, hidden: list[int]) -> None:
    names = dict(enumerate(colour.names))
    gone = [names[code] for code in hidden if code in names]
    left = [group for code, group in names.items() if code not in hidden]
    few = len(gone) <= len(left) or not left
    _write(_address_key("hide", name), gone if few else [])
    _write(_address_key("only", name), [] if few else left)


def _hidden(name: str, colour: Facet) -> tuple[int, ...]:
    if colour.codes is None:
        return ()
    hide, only = (set(st.query_params.get_all(_address_key(word, name))) for word in ("hide", "only"))
    only &= set(colour.names)
    return tuple(code for code, group in enumerate(colour.names) if group in hide or (only and group not in only))


def _place_of(text: str | None) -> tuple[float, float, float] | None:
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
            _write(_address_key(word, name), [])
    st.session_state[kept] = belongs_to


def _address_key(word: str, name: str) -> str:
    return f"{word}-{name}" if name else word


def _write(key: str, values: list[str]) -> None:
    if values and st.query_params.get_all(key) != values:
        st.query_params[key] = values
    elif not values and key in st.query_params:
        del st.query_params[key]
