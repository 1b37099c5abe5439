"""Beyond the paper: what each transformation costs, as curves and as a map; shipped, and solved on one's own images."""

from __future__ import annotations

import html
import json
from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.kit import cache, choices, frame, jobs
from ssrl_core import stores
from ssrl_core.datasets import store as image_sets
from ssrl_core.figures.curves import cost_curve, cost_map
from ssrl_core.figures.style import palette
from ssrl_core.paper import curves, solved

ID, TITLE = "curves", "What each transformation costs"
_ACROSS, _MOST_LINES = 3, 6


def show() -> None:
    """The image set, what shows, the map, the curves, and the button that solves it here."""
    frame.section(f"Beyond the paper: {TITLE.lower()}")
    st.html(
        '<p class="paper-claim">The paper\'s claim as a curve: how much of each concept is kept over the strength of '
        "each transformation alone.</p>"
    )
    name = _set()
    jobs.job(
        f"paper-curves-{name}", ("paper", "curves", name), button="Solve it here", icon="play_arrow",
        help="Within some minutes, not trained. What is here already is not made again; a stop loses nothing.",
    )  # fmt: skip
    found = _found(name, _mark())
    if found is None:
        frame.quiet("Nothing is solved of this image set yet. The button solves it within some minutes.")
        return
    frame.quiet(_made(found))
    told = curves.told_in(found)
    for said in curves.sentences(told)[:_MOST_LINES]:
        st.html(f'<div class="vl-finding">{html.escape(said)}</div>')
    _map(name, told)
    _panels(name, told, [row for row in curves.COSTS if row in set(told["transform"])])
    _how(name, found)


def _set() -> str:
    options = [*curves.SETS, *(n for n in image_sets.names() if n not in curves.SETS and image_sets.is_ready(n))]
    titles = {n: row.title for n, row in curves.SETS.items()}
    return choices.from_address("Image set", options, key="set", shown=lambda n: titles.get(n, n), default=options[0])


@cache.kept(least=16)
def _found(name: str, now: str) -> dict[str, Any] | None:
    """One's own numbers where all of a seed are solved, else those that ship, else one's own as far as they are."""
    here = name in image_sets.names() and image_sets.is_ready(name)
    if here and (whole := curves.whole_seeds(name)):
        return curves.document(name, whole)
    if (ships := curves.shipped(name)) is not None:
        return {**ships, "ships": True}
    own = curves.document(name) if here else {"rows": []}
    return own if own["rows"] else None


def _mark() -> str:
    folder = stores.models_root() / "paper" / "curves"
    return str(sorted((str(p), p.stat().st_mtime_ns) for p in folder.glob("*.json"))) if folder.is_dir() else ""


def _made(found: dict[str, Any]) -> str:
    seeds = len(found["seeds"])
    where = ", not on this machine" if found.get("ships") else ""
    return (
        f"Solved{where}, not trained: {solved.IS_SOLVED.removesuffix(', not a training')}, {seeds} "
        f"{'seeds' if seeds != 1 else 'seed, so no intervals'} of images, feature bank and draws. A linear reading on "
        "other images, as a share of what it finds without any step."
    )


def _map(name: str, told: pd.DataFrame) -> None:
    strongest = curves.at_strongest(told)
    titles = {n: f"{row.title} {max(row.strengths):g}" for n, row in curves.COSTS.items()}
    frame.section("At the greatest strength")
    frame.chart(cost_map(strongest, titles), f"curves-map-{name}")


def _panels(name: str, told: pd.DataFrame, transforms: list[str]) -> None:
    """A chart a transformation; of many concepts those that lose most and least."""
    frame.section("Over the strength")
    concepts = _drawn(told)
    legend = "".join(
        f'<span style="margin-right:1.1rem;white-space:nowrap"><b style="color:{colour}">&#9632;</b> '
        f"{html.escape(concept)}</span>"
        for concept, colour in zip(concepts, palette(len(concepts)), strict=True)
    )
    st.html(f'<div class="vl-quiet">{legend}Bands: 95 % intervals over seeds.</div>')
    for start in range(0, len(transforms), _ACROSS):
        for transform, place in zip(transforms[start : start + _ACROSS], st.columns(_ACROSS), strict=False):
            row = curves.COSTS[transform]
            mine = told[told["transform"] == transform]
            with place:
                figure = cost_curve(mine, concepts, title=row.title, unit=row.unit)
                frame.chart(figure, f"curves-{name}-{transform}")


def _drawn(told: pd.DataFrame) -> list[str]:
    concepts = list(dict.fromkeys(told["concept"]))
    if len(concepts) <= _MOST_LINES:
        return concepts
    means = curves.at_strongest(told).groupby("concept")["kept"].mean().sort_values()
    half = _MOST_LINES // 2
    return [*means.index[:half], *means.index[-half:]]


def _how(name: str, found: dict[str, Any]) -> None:
    with st.expander("How it is solved, and the numbers", icon=":material/description:"):
        frame.quiet(
            f"{found['images']:,} images of a seed, half of them solved on, {found['views']} views of each, feature "
            f"bank {found['bank']}, mu {found['mu']}, {found['dim']} directions; fingerprint "
            f"{found['fingerprint'][:16]}. R² of numbers; of names the mean accuracy above chance. A concept that is "
            "not read without any step is left out."
        )
        st.download_button(
            "Download", json.dumps(found, indent=1), f"viewloom-curves-{name}.json", "application/json",
            icon=":material/download:", key="curves-download", on_click="ignore",
        )  # fmt: skip
        st.code(f"python -m ssrl_core paper curves {name}", language="bash")
