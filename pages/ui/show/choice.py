"""The choices of the Show page: folded away until one wants them, and all of them in its address."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from pages.ui.clusters.scene import Scene
from pages.ui.kit import choices as choose
from pages.ui.runs import choosing
from pages.ui.show import scene as show_scene
from pages.ui.show.pictures import SAFE, STANDARD, Look

MOST_GROUPS = 12
_PERCENTILES = (0.0, 0.5, 1.0, 5.0, 25.0, 50.0, 75.0, 90.0, 99.0, 99.5, 99.7, 99.9, 100.0)
_CELLS = (8, 16, 24, 40, 64)


@dataclass(frozen=True)
class Choice:
    """What is shown of a run.

    Attributes:
        k: groups.  count: cells a gallery.  compounds: [] = all.  doses: lowest and highest, None = all.
    """

    k: int
    count: int
    compounds: list[str]
    doses: tuple[float, float] | None
    look: Look


def choose_experiment() -> str:
    """The run, told as what it is of."""
    return choosing.choose_run("Experiment", usable=choosing.has_embedding)


def choices(scene: Scene) -> Choice:
    """Widgets, where the caller has opened a place for them."""
    k = _k(scene)
    compounds = _compounds(scene)
    doses = _doses(scene)
    count = int(choose.from_address("Cells a group", [str(n) for n in _CELLS], key="cells", default="16"))
    names = [channel.name for channel in scene.imageset.channels]
    shown = _several("Stains", names, key="stains", default=names) or names
    colours = choose.from_address("Colours", (STANDARD, SAFE), key="colours", default=STANDARD)
    low = float(_one("Black at percentile", _PERCENTILES[:6], key="black", default=0.5))
    high = float(_one("Full at percentile", _PERCENTILES[6:], key="full", default=99.7))
    return Choice(k, count, compounds, doses, Look(tuple(n for n in names if n in shown), colours, low, high))


def _k(scene: Scene) -> int:
    asked = scene.results.counts
    most = max(1, min(max([MOST_GROUPS, *asked]), len(scene.ids) - 1))
    options = [str(k) for k in range(1, most + 1)]
    first = str(min(most, asked[0])) if asked else str(min(most, 4))
    return int(choose.from_address("Number of groups", options, key="groups", default=first))


def _compounds(scene: Scene) -> list[str]:
    known = show_scene.compounds_of(scene)
    return _several("Compounds", known, key="compounds", default=[], placeholder="all") if known else []


def _doses(scene: Scene) -> tuple[float, float] | None:
    known = show_scene.known_doses(scene)
    if len(known) < 2:
        return None
    words = [f"{dose:g}" for dose in known]
    low = choose.from_address("Lowest dose", words, key="from", default=words[0])
    high = choose.from_address("Highest dose", words, key="to", default=words[-1])
    return tuple(sorted((float(low), float(high))))  # type: ignore[return-value]


def _one(label: str, options: tuple[float, ...], *, key: str, default: float) -> str:
    return choose.from_address(label, [f"{v:g}" for v in options], key=key, default=f"{default:g}")


def _several(label: str, options: list[str], *, key: str, default: list[str], placeholder: str = "") -> list[str]:
    """A choice of several whose value is in the address."""
    widget, written = f"show-{key}", f"show-{key}-address"
    wanted = st.query_params.get_all(key)
    if wanted and wanted != st.session_state.get(written):
        st.session_state[widget] = [name for name in wanted if name in options]
    known = st.session_state.get(widget)
    st.session_state[widget] = [n for n in known if n in options] if known is not None else list(default)
    chosen = list(st.multiselect(label, options, key=widget, placeholder=placeholder or "none"))
    if chosen != list(default):
        st.query_params[key] = chosen
    elif key in st.query_params:
        del st.query_params[key]
    st.session_state[written] = st.query_params.get_all(key)
    return chosen
