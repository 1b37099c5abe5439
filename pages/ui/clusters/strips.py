"""One strip a cluster: its most typical images or its borderline ones, its name, its share, what sets it apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.kit import cache, frame, gallery, jobs
from pages.ui.kit.gallery import Array
from pages.ui.map import evaluated as cluster_names
from pages.ui.map import selection
from pages.ui.map.evaluated import ClusteredRun, EvaluatedRun, borderline_of, typical_of
from ssrl_core.analysis.descriptors import descriptor
from ssrl_core.analysis.effect_table import ClusterEffects, cluster_effects, evidence, sentence
from ssrl_core.analysis.effects import Effect
from ssrl_core.analysis.scores import purity
from ssrl_core.figures.style import percent, three_digits
from ssrl_core.runs.evaluation.clustering import way_of

_MOST_ROWS = 12


@cache.kept(
    by=lambda of: (of.run.cache_key, of.method, of.k), spinner="Comparing each cluster with all other images", least=2
)
def effects_of(of: ClusteredRun) -> ClusterEffects:
    """The effects of each cluster, and what their intervals rest on."""
    columns = of.run.columns
    measured = [c for c in of.run.table if descriptor(c) and c not in columns]
    return cluster_effects(of.run.table, [*columns, *measured], of.clustering.ids, of.clustering.k)


def in_words(found: ClusterEffects, cluster: int, label: str | None) -> tuple[str, list[str]]:
    """What sets one cluster apart in a sentence, and the numbers behind it, a line each.

    The label, whose share a strip tells anyway, is left out of the sentence.
    """
    own, units = found.effects[cluster], found.units.name
    return sentence([e for e in own if e.column != label], units=units), evidence(own, units=units)


def effects_table(of: ClusteredRun) -> None:
    """Folded: all effects as a table."""
    with st.expander("What sets each cluster apart, in numbers"):
        found = effects_of(of)
        frame.quiet(
            "Each cluster against all other images. For numbers: medians and Cliff's delta (−1: all smaller, 1: all "
            "larger). For values: shares and their difference. For a compound: the dose from which its share differs "
            f"most. {found.rests_on} No p-values: the clusters were made from these very images."
        )
        rows = table_of(found, [of.names.title(c) for c in range(of.clustering.k)])
        if not len(rows):
            frame.quiet("There is no column to compare, and the images were not measured yet.")
            return
        st.dataframe(rows, hide_index=True, key="apart-table", height=340)


def table_of(found: ClusterEffects, titles: list[str]) -> pd.DataFrame:
    """The largest effects of each cluster, one a row."""
    rows = [
        _row(title, effect)
        for title, effects in zip(titles, found.effects, strict=True)
        for effect in sorted(effects, key=lambda e: -abs(e.effect))[:_MOST_ROWS]
    ]
    table = pd.DataFrame(rows)
    if found.units.name == "images":
        return table.drop(columns="units", errors="ignore")
    return table.rename(columns={"units": found.units.name})


def _row(title: str, effect: Effect) -> dict[str, object]:
    return {
        "cluster": title,
        "what": effect.column,
        "value": effect.value or "",
        "here": effect.here,
        "elsewhere": effect.rest,
        "effect": effect.effect,
        "low": effect.low,
        "high": effect.high,
        "clear": effect.clear,
        "n": effect.n,
        "units": effect.seen_in,
    }


_FEW, _MANY = 24, 12
_MANY_CLUSTERS = 40
_TYPICAL, _BORDERLINE = "Most typical", "Borderline"


def strips(of: ClusteredRun) -> None:
    """All clusters, the largest first, those that are excluded last."""
    border = _head(of.run) == _BORDERLINE
    cluster_names.show_refused_change()
    about = (
        "The images that lie almost as near to another centroid, with their margin: 0 is exactly between the two."
        if border
        else "The images nearest to each centroid in the embedding, with their distances. The pencil names a cluster; "
        "its name stays with its images when k, seed or run change. In brackets: the share elsewhere, and the 95 % "
        "interval of the difference in points; hover over the head of a strip for all numbers."
    )
    frame.quiet(f"By {way_of(of.method, of.k, len(of.run.ids))}, in the embedding, never on the map. {about}")
    _measure(of.run)
    gallery.show_rows(
        of.run.imageset,
        _image_rows(of, border),
        strips=True,
        tile_px=56,
        picked=selection.selected(of.run.images_key).focus,
        key="cluster-strips",
        on_pick=lambda event: _picked(of, event),
    )
    _outside(of)
    cluster_names.dialog(of)


def _head(run: EvaluatedRun) -> str:
    """The heading, with what the strips show at its right."""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        with st.container(gap="xxsmall", width="content"):
            frame.section("Clusters")
        with st.container(horizontal=True, width="content", vertical_alignment="center", gap="small"):
            cluster_names.undo_button(run)
            return str(
                st.segmented_control(
                    "Images shown",
                    [_TYPICAL, _BORDERLINE],
                    default=_TYPICAL,
                    key="strips-show",
                    bind="query-params",
                    label_visibility="collapsed",
                )
            )


def _outside(of: ClusteredRun) -> None:
    """Clusters without images, and images without a cluster."""
    run, clustering = of.run, of.clustering
    empty = sum(size == 0 for size in clustering.sizes)
    if empty:
        frame.quiet(f"{empty} of {clustering.k} clusters are empty: there are fewer different images than clusters.")
    outside = clustering.ids < 0
    if not outside.any():
        return
    count = int(outside.sum())
    with st.container(horizontal=True, vertical_alignment="center"):
        frame.quiet(f"{count} images ({percent(count / len(run.ids))}) are in no cluster.")
        if st.button("Show them", type="tertiary", key="outside-select"):
            selection.select(run.images_key, run.ids[outside], "in no cluster")
            st.rerun()


def _measure(run: EvaluatedRun) -> None:
    """Offer to measure the images, which lets clusters be told apart in words."""
    if any(descriptor(name) and name not in run.imageset.table for name in run.table.columns):
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        jobs.job(
            f"descriptors-{run.imageset.name}",
            ("descriptors", run.imageset.name),
            button="Measure the images",
            icon="straighten",
            help="Brightness, contrast, area, elongation, texture and number of objects of every image, once. They "
            "then colour the map, and say in words what sets a cluster apart.",
        )


def _image_rows(of: ClusteredRun, border: bool) -> list[gallery.ImageRow]:
    run, clustering = of.run, of.clustering
    count = _FEW if clustering.k <= _MANY_CLUSTERS else _MANY
    rows, numbers = (borderline_of if border else typical_of)(run, of.k, of.method, count)
    filled = [c for c in range(clustering.k) if clustering.sizes[c]]
    filled.sort(key=lambda c: of.names.mark(c).excluded)
    found = effects_of(of)
    shares = purity(run.labels, clustering.ids, clustering.k) if run.labels is not None else None
    image_rows = []
    for c in filled:
        sentence, evidence = in_words(found, c, run.label)
        image_row = _image_row(of, c, rows[c], numbers[c], "margin" if border else "from the centroid")
        lines = _lines(of, c, shares[c] if shares else None)
        image_rows.append(replace(image_row, lines=lines, said=sentence, evidence=tuple(evidence)))
    return image_rows


def _picked(of: ClusteredRun, event: dict[str, Any]) -> None:
    if event.get("kind") == "rename":
        cluster = int(event["name"])
        title = event.get("title", "")
        cluster_names.annotate(of, cluster, name="" if title == f"Cluster {cluster}" else title)
    elif event.get("kind") == "edit":
        cluster_names.edit_in_dialog(int(event["name"]))
    else:
        selection.on_gallery(of, event)


def _lines(of: ClusteredRun, cluster: int, pure: dict[str, Any] | None) -> tuple[str, ...]:
    size, mark, imageset = of.clustering.sizes[cluster], of.names.mark(cluster), of.run.imageset
    lines = [f"{size} images, {percent(size / len(of.run.ids))}"]
    if mark.name:
        lines[0] = f"cluster {cluster} · " + lines[0]
    if pure:
        lines.append(f"{percent(pure['share'])} {of.run.label} {imageset.classes[pure['label']]}")
    if mark.origin:
        lines.append(f"named in {mark.origin} ({percent(mark.shared)} shared)")
    if mark.excluded:
        lines.append("excluded")
    if mark.note:
        lines.append(f"“{mark.note}”")
    return tuple(lines)


def _image_row(of: ClusteredRun, cluster: int, rows: Array, numbers: Array, what: str) -> gallery.ImageRow:
    kept = rows[rows >= 0]
    return gallery.ImageRow(
        of.run.ids[kept],
        title=of.names.title(cluster),
        colour=of.names.colour(cluster),
        name=str(cluster),
        captions=tuple(three_digits(float(d)) for d in numbers[: len(kept)]),
        tips=tuple(_tip(of.run, int(row), float(d), what) for row, d in zip(kept, numbers, strict=False)),
        editable=True,
        faded=of.names.mark(cluster).excluded,
    )


def _tip(run: EvaluatedRun, row: int, number: float, what: str) -> str:
    label = f"\n{run.label} {run.label_of(row)}" if run.label_of(row) else ""
    return f"image {run.ids[row]}{label}\n{three_digits(number)} {what}"
