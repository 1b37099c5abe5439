"""Two maps side by side with one selection in both, and how far A and B differ: in numbers, seeds and recipes."""

from __future__ import annotations

import difflib
import html
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.compare.pair import SAME, Pair, Side, column_order, contingency_of, typical_of_moved
from pages.ui.kit import cache, frame, jobs
from pages.ui.map import files
from pages.ui.map.panel import score_row
from pages.ui.map.payload import CLUSTER, Facet, MapPayload, by_cluster, colour_by, colour_names, groups
from pages.ui.map.selection import selectable_map
from pages.ui.map.view import answer_asks, keep_views, send_blocks
from ssrl_core.analysis.comparison import changed_cluster, compare
from ssrl_core.errors import SSRLError
from ssrl_core.figures.sheets import matrix_file
from ssrl_core.figures.style import mean_sd, percent, score
from ssrl_core.runs.evaluation import baseline
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.folder.verdict import in_words
from ssrl_core.runs.queue import over_seeds
from ssrl_core.runs.queue.over_seeds import MOST_SEEDS
from ssrl_core.specs.run import RunSpec

OWN, OF_A, OF_B, MOVED = "own clusters", "clusters of A", "clusters of B", "what moved"
MAP_HEIGHT = 440


def choose_colour(pair: Pair) -> str:
    """What both maps are coloured by; in the address."""
    options = [OWN, OF_A, OF_B, MOVED, *(name for name in colour_names(pair.a.run) if name != CLUSTER)]
    if st.session_state.get("both") not in options:
        st.session_state["both"] = options[0]
    return str(st.selectbox("Colour both by", options, key="both", bind="query-params", width=240))


def payload_of(pair: Pair, side: Side, colour: str) -> MapPayload:
    """One side's map."""
    return MapPayload(side.run, side.layout, facets_of(pair, side, colour), name=side.letter.lower())


def send(pair: Pair, colour: str) -> None:
    """Send both maps' points, colours and thumbnails."""
    blocks: dict[str, bytes | None] = {}
    payloads = [payload_of(pair, side, colour) for side in (pair.a, pair.b)]
    for payload in payloads:
        blocks[f"places-{payload.name}"] = payload.places()
        blocks |= {f"facet-{payload.name}{at}": block for at, block in enumerate(payload.colours())}
        blocks[f"pictures-{payload.name}"] = payload.pictures()
    send_blocks(blocks)
    keep_views({payload.name: payload.facets[0] for payload in payloads}, key="compare-views")
    a, b = payloads
    answer_asks(lambda name, rows: a.some_pictures(name, rows) or b.some_pictures(name, rows), key="compare-asks")


def maps(pair: Pair, colour: str) -> None:
    """Both maps."""
    for side, column in zip((pair.a, pair.b), st.columns(2, gap="medium"), strict=True):
        with column:
            drawn = f" · {side.layout_title}{side.begun}" if side.layout else ""
            st.html(f"<b>{side.letter}</b> · {html.escape(side.title)} · k = {side.clustering.k}{drawn}")
            if side.layout:
                selectable_map(payload_of(pair, side, colour), key=f"compare-map-{side.letter}", height=MAP_HEIGHT)
            else:
                frame.empty("No map is stored. Make one on the Clusters page.", stop=False)


def facets_of(pair: Pair, side: Side, colour: str) -> tuple[Facet, ...]:
    """What a map tells of a point: what the colours mean, then its own cluster, that on the other side, its label."""
    own, other = _clusters(pair, side, side), _clusters(pair, pair.other(side), side)
    by = {OWN: own, OF_A: own if side is pair.a else other, OF_B: own if side is pair.b else other}
    if colour == MOVED:
        by[MOVED] = _moved(pair, side)
    first = by.get(colour) or colour_by(side, colour)
    label = [colour_by(side, side.run.label)] if side.run.label else []
    return (first, *(facet for facet in (own, other, *label) if facet.title != first.title))


def _clusters(pair: Pair, of: Side, on: Side) -> Facet:
    """The clusters of one side for the points of another."""
    named = by_cluster(of, f"cluster of {of.letter}")
    if of is on:
        return named
    codes = np.full(len(on.run.ids), -1, np.int32)
    codes[pair.rows_of(on)] = of.clustering.ids[pair.rows_of(of)]
    return groups(named.title, codes, named.names, named.colours)


def _moved(pair: Pair, side: Side) -> Facet:
    codes = np.full(len(side.run.ids), -1, np.int32)
    codes[pair.rows_of(side)] = changed_cluster(*pair.clusters)
    return groups("moved", codes, ["stayed", "moved"], ["#9aa4b1", "#d55e00"])


def figures(pair: Pair, colour: str) -> None:
    """A popover with every figure of the page in three formats, and a button for the table of images.

    Args:
        colour: what both maps are coloured by.
    """
    with st.popover("Figures", icon=":material/image:", help="Figures for a paper, with their captions"):
        for side in (pair.a, pair.b):
            name = f"compared-map-{side.letter.lower()}"
            draw = lambda kind, side=side: map_file_of(pair, side, colour, kind)  # noqa: E731
            files.figure_row(f"Map of {side.letter}", name, draw, bool(side.layout))
        matrix = lambda kind: matrix_of(pair, kind)  # noqa: E731
        files.figure_row("Matrix", "compared-clusters", matrix, table=lambda: contingency_table(pair))
        gone = bool(changed_cluster(*pair.clusters).any())
        files.figure_row("Moved", "compared-moved", lambda kind: moved_file(pair, kind), gone)
        frame.quiet(files.FORMATS)
    st.download_button(
        "Table of all images",
        lambda: files.as_csv(table_of(pair)),
        "compared-images.csv",
        "text/csv",
        icon=":material/download:",
        type="primary",
        on_click="ignore",
    )


def map_file_of(pair: Pair, side: Side, colour: str, kind: str) -> bytes:
    """The map of one side as it is coloured now; a selection stands out."""
    facet, other = facets_of(pair, side, colour)[0], pair.other(side)
    caption = (
        f"{side.layout_title}{side.begun}, of the embeddings of {len(side.run.ids)} images by {side.letter} "
        f"({side.title}), coloured by {facet.title}; {other.letter} is {other.title}. Clusters by k-means (k = "
        f"{pair.a.k} and {pair.b.k}) in the embeddings, not on the maps."
        f"{files.trust_words(side.run.layouts[side.layout][1])} Image set {side.run.imageset.title}."
    )
    title = f"{side.letter}: {side.title}"
    return files.map_figure(side.run, side.layout, facet, kind, title=title, caption=caption)


def moved_file(pair: Pair, kind: str) -> bytes:
    """The images that moved, those most typical of their cluster in A first."""
    shown, gone = typical_of_moved(pair)
    share, k = percent(len(gone) / len(pair.ids)), (pair.a.k, pair.b.k)
    caption = (
        f"{len(shown)} of {len(gone)} images ({share} of {len(pair.ids)}) whose cluster in A ({pair.a.title}, k = "
        f"{k[0]}) is not the match of their cluster in B ({pair.b.title}, k = {k[1]}); clusters are matched one to one "
        "by the images they share. The most typical of their cluster in A first."
    )
    title = "Images that moved between A and B"
    return files.grid_figure(pair.a.run.imageset, pair.ids[shown], kind, title=title, caption=caption)


def contingency_table(pair: Pair) -> pd.DataFrame:
    """Images shared by each cluster of A (rows) and of B (columns)."""
    table = contingency_of(pair)
    columns = [f"B: {pair.b.names.short(c)}" for c in range(pair.b.clustering.k)]
    rows = [f"A: {pair.a.names.short(c)}" for c in range(pair.a.clustering.k)]
    return pd.DataFrame(table, columns=columns).assign(cluster=rows)[["cluster", *columns]]


def matrix_of(pair: Pair, kind: str) -> bytes:
    """The contingency as a file."""
    table = contingency_of(pair)
    order = column_order(table)
    return matrix_file(
        table[:, order],
        [pair.a.names.short(c) for c in range(pair.a.clustering.k)],
        [pair.b.names.short(c) for c in order],
        kind,
        row_title=f"A: {pair.a.title}",
        column_title=f"B: {pair.b.title}",
        title="Which clusters share images",
        caption=f"Images shared by the clusters of A ({pair.a.title}, k = {pair.a.k}) and B ({pair.b.title}, "
        f"k = {pair.b.k}), {len(pair.ids)} images. Shade: share of the row; columns in the order of their matches.",
    )


def table_of(pair: Pair) -> pd.DataFrame:
    """One row an image: what is known of it, its clusters on both sides, and whether it moved."""
    table = files.image_rows(pair.a.run.table.iloc[pair.rows_a], pair.ids)
    for side, ids in zip((pair.a, pair.b), pair.clusters, strict=True):
        table[f"cluster_{side.letter.lower()}"] = ids
        table[f"name_{side.letter.lower()}"] = [side.names.mark(int(c)).name if c >= 0 else "" for c in ids]
    table["moved"] = np.asarray(changed_cluster(*pair.clusters))
    return table


CSS = """
.vl-recipe { font-size: .88rem; line-height: 1.5; }
.vl-recipe p { margin: 0; padding: 1px 8px; border-left: 3px solid transparent; color: light-dark(#5b6470, #9aa4b1); }
.vl-recipe p.own { border-left-color: light-dark(#0f766e, #2dd4bf); color: light-dark(#14181f, #e8ebef);
  background: light-dark(#eef7f5, #12241f); }
.vl-recipe .term { font-weight: 600; color: light-dark(#14181f, #e8ebef); margin-top: 4px; }
"""

_ELSE = ("method", "backbone", "optimizer", "schedule", "batch_size", "epochs", "seed", "limit_train", "dataset")
_SHOWN = {"ami": "AMI of clusters", "cka": "CKA", "neighbour_overlap": "neighbours shared"}

_AMI = "How far the clusters of A and B agree, corrected for chance. 1: the same groups. 0: no better than shuffled."
_CKA = "How alike the two embeddings are as a whole (linear CKA). 1: one is the other, rotated and scaled."
_OVERLAP = "Share of an image's nearest neighbours in A that are among its nearest in B too."
_MOVED = "Images whose cluster in A is not matched to their cluster in B (matched by the members they share)."


@cache.kept(by=lambda pair: tuple((side.run.cache_key, side.k) for side in (pair.a, pair.b)), spinner="Comparing")
def compared(pair: Pair) -> dict[str, Any]:
    """`analysis.comparison.compare` of the two sides."""
    return compare(pair.a.run.x[pair.rows_a], pair.b.run.x[pair.rows_b], *pair.clusters)


def scores(pair: Pair) -> None:
    """One row of numbers."""
    found = compared(pair)
    gone = changed_cluster(*pair.clusters)
    chance = f"{found['neighbours']} nearest; by chance {percent(found['neighbour_chance'])}"
    cells = [
        ("AMI between their clusters", score(found["ami"]), f"k = {pair.a.k} and {pair.b.k}", _AMI),
        ("CKA of the embeddings", score(found["cka"]), f"on {found['n']} shared images", _CKA),
        ("Neighbours in common", percent(found["neighbour_overlap"]), chance, _OVERLAP),
        ("Moved", percent(float(gone.mean())), f"{int(gone.sum())} images", _MOVED),
    ]
    score_row(cells)


def seeds(first: str, second: str, ks: tuple[int, int]) -> None:
    """Mean ± sd over the seeds of both sides, beside what two seeds of one side differ by.

    Args:
        second: a run, `SAME` or a baseline.
    """
    beside = first if second == SAME else second
    asked = over_seeds.ask(RunFolder(first), None if second in baseline.BASELINES else RunFolder(beside), *ks)
    if not asked.groups:
        frame.quiet("Train the same runs with other seeds to see mean and standard deviation here.")
        return
    found = over_seeds.read(asked)
    done, total = (sum(row[key] for row in found) for key in ("pairs", "of"))
    if done:
        st.dataframe(seeds_table(found), hide_index=True, key="compare-seeds")
    frame.quiet(
        f"Mean ± sd over pairs of runs; {asked.seeds_a} seeds of A{_of_b(asked)}, at most {MOST_SEEDS} a side. A "
        "difference between A and B counts only where it is larger than that between two seeds of one side."
    )
    if done < total:
        jobs.job(
            asked.name,
            ("compare", first, beside, "-k", str(ks[0]), "--k2", str(ks[1]), "--over-seeds"),
            button=f"Compare {total - done} {'pair' if total - done == 1 else 'pairs'} of seeds",
            icon="play_arrow",
            help="In the background; every pair is kept as soon as it was compared.",
        )


def _of_b(asked: over_seeds.PairsOverSeeds) -> str:
    return f", {asked.seeds_b} of B" if asked.seeds_b else ", none of B"


def seeds_table(found: list[dict[str, Any]]) -> pd.DataFrame:
    """One row a group of pairs; how many of them were compared is said while some are missing."""
    rows = []
    for row in found:
        count = str(row["pairs"]) if row["pairs"] == row["of"] else f"{row['pairs']} of {row['of']}"
        rows.append({"what": row["what"], "pairs": count, **{said: mean_sd(row[key]) for key, said in _SHOWN.items()}})
    return pd.DataFrame(rows)


def recipes(pair: Pair) -> None:
    """The compositions side by side; steps that only one of them has are marked."""
    specs = [_spec(side) for side in (pair.a, pair.b)]
    lines = [_recipe_lines(spec) if spec else [] for spec in specs]
    own = _own(lines[0], lines[1])
    for side, spec, text, marked, column in zip(
        (pair.a, pair.b), specs, lines, own, st.columns(2, gap="medium"), strict=True
    ):
        with column:
            if spec is None:
                frame.quiet(f"{side.letter} is {side.title}: it was not trained here.")
                continue
            rows = "".join(
                f'<p class="{"own" if at in marked else ""}{" term" if line.startswith("term ") else ""}">'
                f"{html.escape(line)}</p>"
                for at, line in enumerate(text)
            )
            st.html(f'<div class="vl-recipe">{rows}</div>')
            if side is pair.a or side.run.run_id != pair.a.run.run_id:
                frame.quiet(in_words(side.run.results, spec))
    if specs[0] and specs[1]:
        found = differences(specs[0], specs[1])
        same = "Otherwise the two runs are the same." if pair.a.run.run_id != pair.b.run.run_id else ""
        frame.quiet("Also different: " + "; ".join(found) + "." if found else same)


def differences(first: RunSpec, second: RunSpec) -> list[str]:
    """What two specs differ in besides their compositions: "epochs 100, 200"."""
    a, b = first.to_mapping(), second.to_mapping()
    found = []
    for key in _ELSE:
        if a[key] == b[key]:
            continue
        if isinstance(a[key], dict):
            names = [name for name in {**a[key], **b[key]} if a[key].get(name) != b[key].get(name)]
            found += [
                f"{key} {name} {_value_words(a[key].get(name))}, {_value_words(b[key].get(name))}" for name in names
            ]
        else:
            found.append(f"{key} {_value_words(a[key])}, {_value_words(b[key])}")
    return found


def _spec(side: Side) -> RunSpec | None:
    try:
        return RunFolder(side.run.run_id).spec()
    except SSRLError:
        return None


def _recipe_lines(spec: RunSpec) -> list[str]:
    lines = []
    for at, term in enumerate(spec.terms):
        if len(spec.terms) > 1:
            lines.append(f"term {at + 1}, weight {term.weight:g}: {term.composition.name}")
        for group in term.composition.views:
            if len(term.composition.views) > 1:
                lines.append(f"{group.count} × {group.name}")
            lines += [step.sentence() for step in group.steps if step.enabled] or ["the image as it is"]
    return lines


def _own(first: list[str], second: list[str]) -> tuple[set[int], set[int]]:
    """Line numbers that the other has not."""
    blocks = difflib.SequenceMatcher(a=first, b=second, autojunk=False).get_matching_blocks()
    shared_a = {block.a + i for block in blocks for i in range(block.size)}
    shared_b = {block.b + i for block in blocks for i in range(block.size)}
    return set(range(len(first))) - shared_a, set(range(len(second))) - shared_b


def _value_words(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
