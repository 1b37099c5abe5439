"""Downloads of what a map shows: figures in three formats with their captions, and the table of all images."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from plotly.graph_objects import Figure

from pages.ui.kit import frame
from pages.ui.kit.gallery import Array
from pages.ui.map.evaluated import ClusteredRun, EvaluatedRun
from pages.ui.map.payload import Facet
from pages.ui.map.selection import mask_of
from ssrl_core import stores
from ssrl_core.analysis.clusters import distances_to_own
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.datasets.pictures import rgb_of
from ssrl_core.figures.sheets import KINDS, figure_file, gallery_file, map_file
from ssrl_core.figures.style import score

_ACROSS = 12
FORMATS = "At 300 dpi or as vectors, fonts embedded. The address of this page shows the same view again."


def figure_files(fig: Figure, name: str, caption: str) -> None:
    """Three small buttons under a chart; a file is made when it is asked for.

    Args:
        name: of the file, different for each figure of a page.
    """
    with st.container(horizontal=True, gap="small"):
        for kind, mime in KINDS.items():
            st.download_button(
                kind.upper(),
                partial(figure_file, fig, kind, caption=caption),
                f"{stores.as_slug(name, fallback='figure')}.{kind}",
                mime,
                key=f"figure-file-{name}-{kind}",
                type="tertiary",
                on_click="ignore",
                help=frame.plain(caption),
            )


def figure_row(
    what: str,
    file: str,
    make: Callable[[str], bytes],
    able: bool = True,
    table: Callable[[], pd.DataFrame] | None = None,
) -> None:
    """One figure in three formats, and the table behind it.

    Args:
        make: the bytes of a kind of file.
        table: what the figure draws, downloaded as CSV.
    """
    kinds: list[tuple[str, str, Callable[[], bytes]]] = [
        (kind, mime, partial(make, kind)) for kind, mime in KINDS.items()
    ]
    if table is not None:
        kinds.append(("csv", "text/csv", lambda: as_csv(table())))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html(f'<span style="display:inline-block;min-width:5rem">{what}</span>')
        for kind, mime, content in kinds:
            st.download_button(
                kind.upper(),
                content,
                f"{file}.{kind}",
                mime,
                key=f"figure-{what}-{kind}",
                on_click="ignore",
                disabled=not able,
            )


def map_figure(run: EvaluatedRun, layout: str, colour: Facet, kind: str, *, title: str, caption: str) -> bytes:
    """A map as a file; what is selected stands out."""
    return map_file(
        np.asarray(run.layouts[layout][0], float),
        kind,
        codes=colour.codes,
        names=colour.names,
        colours=colour.colours,
        values=colour.values,
        selected=mask_of(run),
        what=colour.title,
        title=title,
        caption=caption,
    )


def trust_words(info: Mapping[str, Any]) -> str:
    """How far a map can be trusted, for its caption; "" where that is not known."""
    trust = info.get("trustworthiness")
    return f" Trustworthiness {score(trust)} (10 neighbours)." if trust is not None else ""


def grid_figure(imageset: ImageSet, image_ids: Array, kind: str, *, title: str, caption: str) -> bytes:
    """Images side by side, twelve a row."""
    rgb = rgb_of(imageset, image_ids)
    rows = [("", "", "", rgb[at : at + _ACROSS]) for at in range(0, len(rgb), _ACROSS)]
    return gallery_file(rows, kind, title=title, caption=caption)


def source(run: EvaluatedRun) -> str:
    """Where the images are from, for a caption."""
    return f"Image set {run.imageset.title}, run {run.run_id}."


def image_rows(table: pd.DataFrame, image_ids: Array) -> pd.DataFrame:
    """What is known of images, their numbers first, without what only keeps the table in order."""
    rows = table.reset_index(drop=True).assign(image_id=image_ids)
    return rows[["image_id", *[c for c in rows.columns if c not in ("image_id", "order", "label_id")]]]


def image_table(of: ClusteredRun) -> pd.DataFrame:
    """One row an image: what is known of it, then cluster, distance_to_centroid, and x, y of each layout.

    Where clusters have names: cluster_name, and whether it is excluded.
    """
    clustering, names = of.clustering, of.names
    table = image_rows(of.run.table, of.run.ids)
    table[f"cluster_k{clustering.k}"] = clustering.ids
    if names.marks:
        table["cluster_name"] = [names.mark(c).name if c >= 0 else "" for c in clustering.ids]
        table["excluded"] = np.isin(clustering.ids, names.excluded)
    table["distance_to_centroid"] = distances_to_own(of.run.x, clustering).round(5)
    for method, (points, _) in of.run.layouts.items():
        table[f"{method}_x"], table[f"{method}_y"] = points[:, 0], points[:, 1]
    return table


def as_csv(table: pd.DataFrame) -> bytes:
    """A table as CSV (UTF-8)."""
    return stores.csv_text(table).encode()


def as_parquet(table: pd.DataFrame) -> bytes:
    """A table as Parquet, which keeps the types."""
    out = io.BytesIO()
    table.to_parquet(out, index=False)
    return out.getvalue()
