"""The sections of the Screen page: each a question of those who screen cells, a figure, and the way to the cells."""

from __future__ import annotations

import html
import io
import zipfile
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.kit import cache, choices, frame, gallery, jobs
from pages.ui.kit.gallery import ImageRow
from pages.ui.map.files import figure_files
from pages.ui.screen.opened import COUNT, OpenScreen
from ssrl_core import stores
from ssrl_core.analysis.intervals import difference_of_units
from ssrl_core.analysis.plates import FORMATS, plate_format
from ssrl_core.analysis.screens.answers import answers, treatments_with_cells
from ssrl_core.analysis.screens.profiles import places
from ssrl_core.analysis.screens.retrieval import similarity
from ssrl_core.analysis.screens.screen import CELL_COUNT
from ssrl_core.datasets import store as image_sets
from ssrl_core.figures import profiles as figures
from ssrl_core.figures.style import whole_percent
from ssrl_core.runs.evaluation import screens
from ssrl_core.runs.evaluation.screens import LEARNT, NAMED
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import registry
from ssrl_core.runs.queue.identity import identify
from ssrl_core.specs.screens import Recipe

_CELLS = 14  # of a treatment, in a row
_NEAREST = 6
_PICKED = "screen-treatment"
_HEADS = {
    "map_normalised": "replicates agree (mAP)",
    "active": "differs",
    "cells": "cells, of untreated",
    "by_count": "differs in number of cells",
    "why": "why not asked",
}
SCORES = {
    "replicates agree": ("map", "activity"),
    "mechanisms find each other": ("map", "consistency"),
    "nearest shares mechanism (NSC)": ("nsc",),
    "… in another batch (NSCB)": ("nscb",),
    "plate is told (less is better)": ("plate",),
}


def answer(of: OpenScreen) -> None:
    """In sentences: what does something, is it more than cells lost, what finds its like, what the plate does."""
    own = of.told["corrected"]
    first = [f"<b>{html.escape(one.head)}</b>{html.escape(one.rest)}" for one in answers(of.screen, of.told)]
    rest = [text for text in (_mechanisms(own), _plates(of.told["plate"], own)) if text]
    body = "".join(f"<p>{sentence}</p>" for sentence in first)
    more = "".join(f"<p>{sentence}</p>" for sentence in rest)
    st.html(f'<div class="vl-answer">{body}<div class="vl-answer-more">{more}</div></div>')
    if of.told["cautions"]:
        frame.warn(" ".join(of.told["cautions"]))


def _mechanisms(own: Mapping[str, Any]) -> str:
    if own["nsc"]["value"] is None:
        return "No mechanism is known for two compounds, so what the compounds have in common is not scored."
    first = f"The nearest treatment of another compound has the same mechanism for <b>{_span(own['nsc'])}</b>"
    if own["nscb"]["value"] is None:
        return f"{first}."
    return f"{first}; where it must be of another batch too, for <b>{_span(own['nscb'])}</b> of {own['nscb']['n']}."


def _plates(before: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    after = own["plate"]
    if after["value"] is None or before["value"] is None:
        return ""
    chance = whole_percent(after["chance"])
    return (
        f"Which plate a well is from can be told for {whole_percent(after['value'])} after correction "
        f"({whole_percent(before['value'])} before; {chance} by chance)."
    )


def _span(score: Mapping[str, Any]) -> str:
    if score["low"] is None or score["low"] != score["low"]:
        return whole_percent(score["value"])
    return f"{whole_percent(score['value'])} ({whole_percent(score['low'])} to {whole_percent(score['high'])})"


def taught(of: OpenScreen) -> None:
    """Scores that pairs taught, and one button that asks them of compounds that are left out."""
    if of.run is None:
        return
    run, recipe = RunFolder(of.name), of.screen.recipe
    for one in screens.taught(run, recipe):
        frame.warn(f"{one.words}.")
        there = _left_out(run, recipe, one.apart)
        with st.container(horizontal=True, vertical_alignment="center"):
            if there:
                frame.link("pages/9_Screen.py", f"The same with {one.apart}s left out", icon="call_split", run=there)
                continue
            jobs.job(
                f"apart-{run.id}",
                ("screen", run.id, "--leave-out"),
                button=f"Leave {one.apart}s out and look again",
                icon="call_split",
                help=frame.plain(
                    f"Half of the {one.apart}s are not learnt from; the run is made once more and scored by those."
                ),
            )


def _left_out(run: RunFolder, recipe: Recipe, column: str) -> str:
    """Id of the same run that leaves them out, "" where there is none, or it is not done."""
    spec = run.spec()
    name = screens.apart_of(image_sets.load(spec.dataset.name), column)
    if not image_sets.is_ready(name):
        return ""
    row = registry.get(identify(screens.leaving_out(spec, recipe)).id)
    return str(row["id"]) if row is not None and row["state"] == "done" else ""


def scores(of: OpenScreen) -> None:
    """Every score of the network beside what has not learned, before correction, and cell count alone."""
    frame.section(
        "Is it more than the number of cells?",
        "Points: scores with 95 % intervals over compounds (plates for the last). Dotted: chance.",
    )
    told = of.told
    kinds: dict[str, Any] = {of.own: told["corrected"], "before correction": told, COUNT: told.get(CELL_COUNT)}
    kinds |= {NAMED[kind]: numbers for kind, numbers in told["beside"].items()}
    rows = [
        {"score": name, "kind": kind, **_numbers(numbers, path)}
        for name, path in SCORES.items()
        for kind, numbers in kinds.items()
        if numbers
    ]
    known = {row["score"] for row in rows if row["value"] is not None}
    fig = figures.scores_figure([row for row in rows if row["score"] in known])
    frame.chart(fig, "screen-scores")
    figure_files(fig, "screen-scores", "Scores of the screen with 95 % intervals.")
    if of.run is not None and not told["beside"].keys() - {LEARNT} and not RunFolder(of.name).is_demo:
        frame.quiet("Raw pixels, the untrained and an ImageNet network are not beside it yet.")
        words = ("screen", of.name, "--beside")
        jobs.job(f"screen-{of.name}", words, button="Set them beside it", icon="compare_arrows")


def _numbers(numbers: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    found: Any = numbers
    for key in path:
        found = found[key]
    chance = 0.0 if path[0] == "map" else found.get("chance")
    return {**{key: found[key] for key in ("value", "low", "high")}, "chance": chance}


def activity(of: OpenScreen) -> None:
    """Which treatments do something, by dose; a click chooses the treatment that is looked at below."""
    table = of.scored.activity
    frame.section(
        "Which compounds do something, and at what dose?",
        "How far wells of a treatment find each other before untreated wells of their plates. Green: called different "
        "(false discoveries 5 %). A click chooses a treatment.",
    )
    fig = figures.activity_figure(table, unit=of.unit)
    frame.chart(fig, "screen-activity", on_select=_pick("screen-activity"))
    figure_files(fig, "screen-activity", "Normalised mean average precision of replicates against untreated wells.")
    table = treatments_with_cells(table, of.screen)
    columns = [
        "treatment",
        "mechanism",
        "wells",
        "map_normalised",
        "p",
        "q",
        "grit",
        "active",
        "cells",
        "by_count",
        "why",
    ]
    shown = table[columns].rename(columns=_HEADS)
    with st.expander("Every treatment with its numbers", icon=":material/table_rows:"):
        st.dataframe(shown.sort_values(["q", _HEADS["map_normalised"]], ascending=[True, False]), hide_index=True)


def _pick(key: str) -> Any:
    def picked() -> None:
        points = st.session_state[key]["selection"]["points"]
        if points and points[0].get("customdata"):
            choices.travels(_PICKED, str(points[0]["customdata"][0]))

    return picked


def alike(of: OpenScreen) -> None:
    """Treatments by how alike they are, in the order of their mechanisms."""
    treatments = of.scored.treatments
    if of.look == COUNT or len(treatments.table) < 2:
        return
    frame.section(
        "Which treatments look alike?",
        "Each square: how alike two treatments are (cosine), those of one mechanism beside each other.",
    )
    order = treatments.table.assign(known=treatments.table["mechanism"].notna()).sort_values(
        ["known", "mechanism", "compound", "dose"], ascending=[False, True, True, True]
    )
    x = treatments.x[order.index.to_numpy()]
    fig = figures.similarity_figure(similarity(x, x), order.reset_index(drop=True))
    frame.chart(fig, "screen-alike", on_select=_pick("screen-alike"))
    figure_files(fig, "screen-alike", "Cosine similarity of treatments, ordered by mechanism.")


def nearest(of: OpenScreen) -> None:
    """A treatment, those nearest to it, and their cells."""
    treatments = of.scored.treatments
    names = treatments.table["treatment"].tolist()
    if not names:
        return
    frame.section("What does a treatment look like, and what is nearest to it?")
    clearest = of.scored.activity.sort_values("map_normalised", ascending=False)["treatment"]
    first = next((name for name in clearest if name in names), names[0])
    with st.container(width=360):
        chosen = choices.from_address("Treatment", names, key=_PICKED, default=first)
    near = similarity(treatments.x[[names.index(chosen)]], treatments.x, of.scored.measure)[0]
    order = [place for place in np.argsort(-near) if names[place] != chosen][:_NEAREST]
    if of.run is None:
        _near_table(of, chosen, near)
        return
    rows = [_row(of, "untreated", "untreated cells", ()), _row(of, chosen, chosen, (_mechanism(of, chosen),))]
    rows += [
        _row(of, names[place], names[place], (f"{_mechanism(of, names[place])}, alike {near[place]:.2f}",))
        for place in order
    ]
    gallery.show_rows(of.run.imageset, [row for row in rows if len(row.image_ids)], key="screen-near", strips=True)


def _near_table(of: OpenScreen, chosen: str, near: np.ndarray[Any, Any]) -> None:
    """The nearest of a treatment of a table, which has no cells to show."""
    table = of.scored.treatments.table[["treatment", "mechanism", "wells"]].assign(alike=near.round(3))
    others = table[table["treatment"] != chosen].sort_values("alike", ascending=False)
    frame.quiet(f"{chosen}: {_mechanism(of, chosen)}. The nearest to it, by cosine:")
    st.dataframe(others.head(2 * _NEAREST), hide_index=True)


def _mechanism(of: OpenScreen, name: str) -> str:
    table = of.scored.treatments.table
    found = table["mechanism"][table["treatment"] == name]
    return str(found.iloc[0]) if len(found) and isinstance(found.iloc[0], str) else "mechanism not known"


def _row(of: OpenScreen, treatment: str, title: str, lines: tuple[str, ...]) -> ImageRow:
    ids = of.cells_of(treatment=treatment)
    return ImageRow(_some(ids), title=title, lines=(*lines, frame.count(len(ids), "cell")))


def _some(ids: np.ndarray[Any, Any], most: int = _CELLS) -> np.ndarray[Any, Any]:
    """Some of them, the same at every look."""
    return np.sort(np.random.default_rng(0).permutation(ids)[:most])


def mechanisms(of: OpenScreen) -> None:
    """Which mechanisms are taken for which, and what falls out of the count."""
    matches = {"another compound (NSC)": of.scored.nsc, "another compound and batch (NSCB)": of.scored.nscb}
    if not len(of.scored.nsc.table) and not len(of.scored.nsc.left_out):
        return
    frame.section("Which mechanisms are taken for one another?", "Counts of treatments; a row is the true mechanism.")
    with st.container(width=360):
        kind = choices.from_address("Nearest of", list(matches), key="nearest-of")
    found = matches[kind]
    if len(found.table):
        fig = figures.confusion_figure(found.confusion())
        frame.chart(fig, "screen-confusion")
        figure_files(fig, "screen-mechanisms", f"Mechanism of the nearest treatment of {kind}.")
    if len(found.left_out):
        for why, own in found.left_out.groupby("why"):
            frame.quiet(f"Not counted ({why}): {', '.join(own['treatment'])}.")


def plate(of: OpenScreen) -> None:
    """A number of every well on its plate; whether edges differ; a click shows the well's cells."""
    wells = of.scored.wells.table
    place = places(wells)
    if place["row"].isna().all():
        return
    shows = of.run is not None
    frame.section("Does the place on the plate matter?", "A click on a well shows its cells." if shows else "")
    left, right = st.columns([3, 2], gap="large")
    with left:
        one, two = st.columns(2)
        with one:
            name = choices.from_address("Plate", sorted(wells["plate"].unique()), key="screen-plate")
        with two:
            what = choices.from_address("Shown", list(_WELL_NUMBERS), key="screen-shown")
        table = wells.assign(value=_WELL_NUMBERS[what](of), **place)
        own = table[(table["plate"] == name) & table["row"].notna()]
        fig = figures.wells_figure(own, FORMATS[plate_format(wells["well"])], title=f"{what}, {name}")
        picked = frame.chart(fig, "screen-wells", on_select="rerun", selection_mode="points")
        figure_files(fig, f"screen-plate-{name}", f"{what} of each well of {name}.")
        frame.quiet(edge_words(table, what))
    with right:
        points = picked["selection"]["points"] if picked else []
        well = str(points[0]["customdata"][0]) if points and points[0].get("customdata") else ""
        if well:
            ids = of.cells_of(plate=name, well=well)
            treatment = own["treatment"][own["well"] == well]
            count = int(own["cells"][own["well"] == well].iloc[0]) if of.run is None else len(ids)
            words = f"{treatment.iloc[0] if len(treatment) else ''}, {frame.count(count, 'cell')}"
            st.html(f'<div class="vl-name">{html.escape(well)} <small>{html.escape(words)}</small></div>')
            if of.run is not None:
                gallery.show_grid(of.run.imageset, _some(ids, 36), key=f"screen-well-{name}-{well}")


def _from_untreated(of: OpenScreen) -> np.ndarray[Any, Any]:
    """Length of each well's profile, from the middle of the untreated ones."""
    wells = of.scored.wells
    none = wells.table["untreated"].to_numpy(bool)
    middle = np.median(wells.x[none if none.any() else slice(None)], axis=0)
    return np.asarray(np.linalg.norm(wells.x - middle, axis=1))


def _cell_counts(of: OpenScreen) -> np.ndarray[Any, Any]:
    return np.asarray(of.scored.wells.table["cells"], float)


_WELL_NUMBERS = {"distance from untreated wells": _from_untreated, "number of cells": _cell_counts}


def edge_words(table: pd.DataFrame, what: str) -> str:
    """Whether untreated wells at the edge differ from those inside, over plates.

    Args:
        table: plate, edge, untreated, value.
    """
    none = table[table["untreated"].astype(bool)]
    if none["edge"].nunique() < 2:
        side = "at the edge of the plate" if len(none) and none["edge"].all() else "inside the plate"
        return f"All untreated wells lie {side}: an effect of the edge cannot be told."
    sides = []
    for at in (True, False):
        own = none[none["edge"] == at].groupby("plate")["value"].agg(["sum", "count"])
        own = own.reindex(sorted(none["plate"].unique()), fill_value=0)
        sides.append((own["sum"].to_numpy(float)[:, None], own["count"].to_numpy(float)[:, None]))
    found, low, high = (float(value[0]) for value in difference_of_units(*sides))
    if low != low:
        return f"Untreated wells at the edge differ by {found:+.2f} ({what}); of one plate, so nothing is sure."
    clear = low > 0 or high < 0
    said = "Edge effect" if clear else "No clear edge effect"
    return (
        f"{said}: {what} of untreated wells at the edge {found:+.2f} ({low:+.2f} to {high:+.2f}) beside those inside."
    )


def reading(of: OpenScreen) -> None:
    """Plate, batch and place beside biology, before and after correction."""
    frame.section(
        "What is left of plates, and what of biology?",
        "How often the nearest wells name it. Good: the lower rows (plate, place) near chance, biology above it.",
    )
    rows = [
        {"score": row["words"], "kind": kind, **{key: row[key] for key in ("value", "low", "high", "chance")}}
        for kind, numbers in (("after correction", of.told["corrected"]), ("before", of.told))
        for row in sorted(numbers["reading"], key=lambda row: row["kind"])
        if row["value"] is not None
    ]
    if rows:
        fig = figures.scores_figure(rows)
        frame.chart(fig, "screen-reading")
        figure_files(fig, "screen-reading", "How well plate, place and biology are told by the nearest wells.")


def how(of: OpenScreen) -> None:
    """What was done on the way, folded, with what was left out."""
    with st.expander("How this was made (methods)", icon=":material/history_edu:"):
        settings = ", ".join(f"{key}: {value}" for key, value in of.screen.recipe.to_mapping().items())
        for text in (*of.told["said"], f"Recipe: {settings}."):
            frame.quiet(text)


def tables_file(of: OpenScreen) -> None:
    """Profiles and scores as one zip of tables."""
    st.download_button(
        "Tables of the screen",
        partial(_zip, of),
        f"{stores.as_slug(of.name)}-screen.zip",
        "application/zip",
        icon=":material/download:",
        type="primary",
        on_click="ignore",
        key="screen-tables",
    )


@cache.kept
def _zip(of: OpenScreen) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, table in of.screen.tables().items():
            packed.writestr(f"{name}.csv", stores.csv_text(table))
    return file.getvalue()
