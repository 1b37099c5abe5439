"""What the Show page shows: the cells that the choices leave, their groups with names, and how cells are drawn.

Channels on and off, one contrast for all, a scale bar where it is true.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.kit import cache, frame
from pages.ui.kit import choices as choose
from pages.ui.kit.gallery import Array
from pages.ui.map.evaluated import ClusteredRun, EvaluatedRun, clustered
from pages.ui.runs import choosing
from ssrl_core.analysis.clusters import nearest
from ssrl_core.analysis.doses import Change, changes
from ssrl_core.datasets import pictures
from ssrl_core.datasets.columns import doses_of, untreated
from ssrl_core.datasets.imageset import Channel, ImageSet
from ssrl_core.datasets.kinds import of_cells

STANDARD, SAFE = "as stained", "for colour-blind eyes"
_SAFE = ("#3d7dff", "#ffb000", "#e8ebef", "#dc267f", "#2dd4bf")  # blue, amber, near white …: told apart by all eyes
_BARS_UM = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_SAMPLE = 400

CSS = f"""
.vl-wall {{ background: {frame.IMAGE_GROUND}; border-radius: 6px; padding: 6px; display: grid; gap: 4px;
  grid-template-columns: repeat(8, 1fr); }}
.vl-wall.few {{ grid-template-columns: repeat(auto-fill, minmax(92px, 1fr)); }}
@media (max-width: 700px) {{ .vl-wall:not(.few) {{ grid-template-columns: repeat(4, 1fr); }} }}
.vl-wall i {{ display: block; aspect-ratio: var(--ratio); background-image: var(--sheet); background-repeat: no-repeat;
  background-size: calc(100% * var(--across)) auto; border-radius: 2px; position: relative; }}
.vl-wall .bar {{ position: absolute; right: 6%; bottom: 9%; height: 3px; background: #fff; }}
.vl-wall .um {{ position: absolute; right: 6%; bottom: calc(9% + 5px); color: #fff; font: 600 11px sans-serif; }}
"""


@dataclass(frozen=True)
class Look:
    """How cells are drawn.

    Attributes:
        shown: names of the channels that are on.
        colours: `STANDARD` or `SAFE`.
        low, high: percentiles of all cells that are shown black and full.
    """

    shown: tuple[str, ...]
    colours: str = STANDARD
    low: float = 0.5
    high: float = 99.7


def limits_of(imageset: ImageSet, look: Look) -> Array:
    """(C, 2) grey values shown black and full, the same in every picture of the page."""
    return _limits(imageset, look.low, look.high)


def limits_words(imageset: ImageSet, look: Look) -> str:
    """The limits, written out."""
    limits, names = limits_of(imageset, look), [c.name for c in imageset.channels]
    ranges = [
        f"{name} {low:.0f} to {high:.0f}" for name, (low, high) in zip(names, limits, strict=True) if name in look.shown
    ]
    return (
        f"Brightness is the same in all pictures: {', '.join(ranges)} of {imageset.max_value:,} "
        f"(percentiles {look.low:g} and {look.high:g} of the cells)."
    )


def colours_of(imageset: ImageSet, look: Look) -> tuple[Channel, ...]:
    """The channels in the colours that were chosen; the colour stays with its channel when others are off."""
    if look.colours == SAFE:
        return tuple(replace(c, colour=_SAFE[i % len(_SAFE)]) for i, c in enumerate(imageset.channels))
    return imageset.channels


def rgb_of(imageset: ImageSet, ids: Sequence[int] | Array, look: Look) -> Array:
    """(B, H, W, 3) uint8 of some cells."""
    channels, limits = colours_of(imageset, look), limits_of(imageset, look)
    on = [i for i, channel in enumerate(channels) if channel.name in look.shown] or [0]
    pixels = np.asarray(imageset.pixels[np.asarray(ids, np.int64)])[:, on]
    return pictures.to_rgb(pixels, [channels[i] for i in on], max_value=imageset.max_value, limits=limits[on])


def bar_um(width_um: float) -> float:
    """Length of a scale bar: the round number nearest to a quarter of the picture."""
    return float(min(_BARS_UM, key=lambda um: abs(np.log(um / (width_um / 4)))))


def wall(imageset: ImageSet, ids: Sequence[int] | Array, look: Look, tips: Sequence[str], *, few: bool = False) -> str:
    """Cells side by side; the first carries the scale bar, if the size of a pixel is known.

    Args:
        few: as many a row as fit, for a narrow place; else eight, and four on a phone, so that rows are full.
    """
    ids = tuple(int(i) for i in ids)
    if not ids:
        return '<p class="vl-quiet">No such cells among those chosen.</p>'
    across = min(len(ids), 8)
    sheet = _sheet(imageset, ids, look, across)
    rows = -(-len(ids) // across)
    cells = []
    for n, tip in enumerate(tips):
        x = 100 * (n % across) / max(1, across - 1)
        y = 100 * (n // across) / max(1, rows - 1)
        inside = _bar(imageset) if n == 0 else ""
        hover = html.escape(tip)
        cells.append(f'<i style="background-position:{x:.3f}% {y:.3f}%" title="{hover}">{inside}</i>')
    _, height, width = imageset.shape
    style = f"--sheet:url(data:image/png;base64,{sheet});--across:{across};--ratio:{width}/{height}"
    return f'<div class="vl-wall{" few" if few else ""}" style="{style}">{"".join(cells)}</div>'


def gallery_png(imageset: ImageSet, ids: Sequence[int] | Array, look: Look, *, columns: int = 8) -> bytes:
    """The same cells as a PNG with its scale bar burnt in, at their own size."""
    rgb = rgb_of(imageset, ids, look).copy()
    if imageset.pixel_size_um and len(rgb):
        length = max(1, round(bar_um(imageset.shape[2] * imageset.pixel_size_um) / imageset.pixel_size_um))
        thick, edge = max(1, rgb.shape[1] // 40), rgb.shape[1] // 16
        rgb[0, -edge - thick : -edge, -edge - length : -edge] = 255
    return pictures.png(pictures.montage(rgb, columns=columns, scale=max(1, round(192 / rgb.shape[1]))))


def _bar(imageset: ImageSet) -> str:
    if not imageset.pixel_size_um:
        return ""
    width = imageset.shape[2] * imageset.pixel_size_um
    um = bar_um(width)
    return f'<span class="um">{um:g} µm</span><span class="bar" style="width:{100 * um / width:.2f}%"></span>'


@cache.kept
def _limits(imageset: ImageSet, low: float, high: float) -> Array:
    ids = imageset.split_ids("all")
    some = ids[np.unique(np.linspace(0, len(ids) - 1, _SAMPLE).astype(np.int64))]
    flat = np.moveaxis(np.asarray(imageset.pixels[some]), 1, 0).reshape(imageset.shape[0], -1)
    step = max(1, flat.shape[1] // 1_000_000)
    found = np.percentile(flat[:, ::step], [low, high], axis=1).T
    found[:, 1] = np.maximum(found[:, 1], found[:, 0] + 1)
    return np.asarray(found)


@cache.kept(least=12)
def _sheet(imageset: ImageSet, ids: tuple[int, ...], look: Look, across: int) -> str:
    rgb = rgb_of(imageset, ids, look)
    side = max(rgb.shape[1:3])
    if side > 224:
        rgb = pictures.shrunk(rgb, round(rgb.shape[1] * 224 / side), round(rgb.shape[2] * 224 / side))
    return base64.b64encode(pictures.png(pictures.montage(rgb, columns=across, gap=0))).decode()


UNTREATED = "untreated"
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


@dataclass(frozen=True)
class Group:
    """A group of cells that look alike.

    Attributes:
        rows: (n,) rows of the run, the most typical first.
        share: of all cells that are looked at.
    """

    number: int
    name: str
    note: str
    colour: str
    rows: Array
    share: float


@dataclass(frozen=True)
class ShownCells:
    """The cells of a run under the choices of the page. Arrays follow the run's rows.

    Attributes:
        ids: (n,) group of each cell; -1 for groups that were set aside.
        compounds, doses, plates, wells: (n,) of each cell, None where the image set does not know them.
        kept: (n,) bool, cells of the compounds and doses that were chosen.
    """

    run: EvaluatedRun
    k: int
    ids: Array
    compounds: Array | None
    doses: Array | None
    plates: Array | None
    wells: Array | None
    unit: str
    kept: Array
    groups: tuple[Group, ...]

    @property
    def noun(self) -> str:
        """What the images show, in the plural: cells where compounds or the size of a pixel are known."""
        return "cells" if self.compounds is not None or self.run.imageset.pixel_size_um else "images"

    @property
    def control(self) -> Array:
        """(n,) bool: untreated cells."""
        return self.doses == 0 if self.doses is not None else np.zeros(len(self.ids), bool)

    @cached_property
    def cache_key(self) -> Hashable:
        """Changes with the cells that are looked at and with their groups."""
        return self.run.cache_key, self.k, cache.as_key(np.where(self.kept, self.ids, -1).astype(np.int32))

    @property
    def present(self) -> list[str]:
        """Compounds of the cells that are looked at, `UNTREATED` among them; most cells first."""
        if self.compounds is None:
            return []
        return [str(name) for name in pd.Series(self.compounds[self.kept]).value_counts().index]

    @property
    def treatments(self) -> list[str]:
        """Those compounds without `UNTREATED`."""
        return [name for name in self.present if name != UNTREATED]

    @property
    def replicates(self) -> Array:
        """(n,) what a repeat of the experiment is: the plate, else the replicate, else everything is one."""
        if self.plates is not None:
            return self.plates
        found = _text(self.run.table, "replicate")
        return found if found is not None else np.full(len(self.ids), "all cells")

    def condition(self, row: int) -> tuple[str, ...]:
        """`taxol`, `3 µM`: compound and dose of a cell, as far as they are known."""
        if self.compounds is None:
            return ()
        dose = self.doses[row] if self.doses is not None else np.nan
        return (str(self.compounds[row]), *([f"{dose:g} {self.unit}"] if dose > 0 else []))

    def tips(self, rows: Array) -> list[str]:
        """What hovering over a cell says: its number, compound, dose, plate and well."""
        found = []
        for row in rows:
            well = f"{self.plates[row]} {self.wells[row]}" if self.plates is not None and self.wells is not None else ""
            parts = [f"cell {self.run.ids[row]}", *self.condition(row), well]
            found.append(" · ".join(filter(None, parts)))
        return found


def choose_experiment() -> str:
    """The run, told as what it is of; the newest on cells until another is chosen."""
    return choosing.choose_run(
        "Experiment", usable=choosing.has_embedding, default=choosing.newest_of_cells(), doubts=False
    )


def question() -> tuple[str, str]:
    """What the page asks of the run that it will show: its title, and the sentence below."""
    rows = {str(row["id"]): row for row in choosing.trained()}
    row = (
        rows.get(choose.asked("run") or "")
        or rows.get(choosing.newest_of_cells() or "")
        or next(iter(rows.values()), None)
    )
    if row is None or of_cells(str(row.get("dataset"))):
        return "What do the compounds do to the cells?", "Which one changes them, how, and at what dose?"
    return "Which kinds of images are there?", "Groups of images that look alike."


def choices(run: EvaluatedRun) -> Choice:
    """Widgets, where the caller has opened a place for them."""
    k = _choose_groups(run)
    compounds = _choose_compounds(run)
    doses = _choose_doses(run)
    count = int(choose.from_address("Cells a group", [str(n) for n in _CELLS], key="cells", default="16"))
    names = [channel.name for channel in run.imageset.channels]
    shown = _choose_several("Stains", names, key="stains", default=names) or names
    colours = choose.from_address("Colours", (STANDARD, SAFE), key="colours", default=STANDARD)
    low = _choose_percentile("Black at percentile", _PERCENTILES[:6], key="black", default=0.5)
    high = _choose_percentile("Brightest at percentile", _PERCENTILES[6:], key="full", default=99.7)
    return Choice(k, count, compounds, doses, Look(tuple(n for n in names if n in shown), colours, low, high))


def known_compounds(run: EvaluatedRun) -> list[str]:
    """Compounds, without the untreated; most cells first."""
    if "compound" not in run.table:
        return []
    treated = run.table["compound"][~untreated(run.table)]
    return [str(name) for name in treated.value_counts().index]


def known_doses(run: EvaluatedRun) -> list[float]:
    """Doses tested, ascending, without 0."""
    if "dose" not in run.table:
        return []
    doses = doses_of(run.table)
    return [float(d) for d in np.unique(doses[np.isfinite(doses)]) if d > 0]


def shown_cells(
    run: EvaluatedRun, k: int, *, compounds: Sequence[str] = (), doses: tuple[float, float] | None = None
) -> ShownCells:
    """Everything that the page shows.

    Args:
        compounds: those that are looked at (the untreated always are); empty = all.
        doses: lowest and highest dose that is looked at; None = all.
    """
    of = clustered(run, k)
    ids = of.clustering.ids.astype(np.int64).copy()
    ids[np.isin(ids, of.names.excluded)] = -1
    dose = doses_of(run.table) if "dose" in run.table else None
    compound = _compounds(run.table)
    kept = _kept(len(ids), compound, dose, compounds, doses)
    return ShownCells(
        run=run,
        k=of.clustering.k,
        ids=ids,
        compounds=compound,
        doses=dose,
        plates=_text(run.table, "plate"),
        wells=_text(run.table, "well"),
        unit=_unit(run.table),
        kept=kept,
        groups=_groups(of, ids, kept),
    )


def table_of(cells: ShownCells) -> pd.DataFrame:
    """Every cell with its group, to download."""
    table = cells.run.table.copy()
    if "image_id" not in table:
        table.insert(0, "image_id", cells.run.ids)
    names = {group.number: group.name for group in cells.groups}
    shown = table[[c for c in table.columns if c not in ("order", "label_id")]]
    return shown.assign(group=[names.get(int(g), "") for g in cells.ids])


def changes_of(cells: ShownCells, *, each_dose: bool) -> list[Change]:
    """How the share of each group differs from untreated cells under each compound (or each dose), largest first."""
    if cells.doses is None or cells.compounds is None or not cells.control.any():
        return []
    return _changes(cells, each_dose)


@cache.kept
def _changes(cells: ShownCells, each_dose: bool) -> list[Change]:
    assert cells.doses is not None
    assert cells.compounds is not None
    rows = cells.kept & (cells.ids >= 0)
    return changes(
        cells.ids[rows],
        cells.compounds[rows],
        cells.doses[rows],
        cells.replicates[rows],
        cells.treatments,
        cells.k,
        wells=None if cells.wells is None else cells.wells[rows],
        each_dose=each_dose,
    )


def _choose_groups(run: EvaluatedRun) -> int:
    asked = run.results.counts
    most = max(1, min(max([MOST_GROUPS, *asked]), len(run.ids) - 1))
    options = [str(k) for k in range(1, most + 1)]
    first = str(min(most, asked[0])) if asked else str(min(most, 4))
    return int(choose.from_address("Number of groups", options, key="groups", default=first))


def _choose_compounds(run: EvaluatedRun) -> list[str]:
    known = known_compounds(run)
    return _choose_several("Compounds", known, key="compounds", default=[], placeholder="all") if known else []


def _choose_doses(run: EvaluatedRun) -> tuple[float, float] | None:
    known = known_doses(run)
    if len(known) < 2:
        return None
    words = [f"{dose:g}" for dose in known]
    one = float(choose.from_address("Lowest dose", words, key="from", default=words[0]))
    other = float(choose.from_address("Highest dose", words, key="to", default=words[-1]))
    return min(one, other), max(one, other)


def _choose_percentile(label: str, options: Sequence[float], *, key: str, default: float) -> float:
    return float(choose.from_address(label, [f"{v:g}" for v in options], key=key, default=f"{default:g}"))


def _choose_several(
    label: str, options: Sequence[str], *, key: str, default: Sequence[str], placeholder: str = "none"
) -> list[str]:
    """A choice of several whose value is in the address."""
    widget, written = f"show-{key}", f"show-{key}-address"
    wanted = st.query_params.get_all(key)
    if wanted and wanted != st.session_state.get(written):
        st.session_state[widget] = [name for name in wanted if name in options]
    known = st.session_state.get(widget)
    st.session_state[widget] = [n for n in known if n in options] if known is not None else list(default)
    chosen = list(st.multiselect(label, options, key=widget, placeholder=placeholder))
    if chosen != list(default):
        st.query_params[key] = chosen
    elif key in st.query_params:
        del st.query_params[key]
    st.session_state[written] = st.query_params.get_all(key)
    return chosen


def _groups(of: ClusteredRun, ids: Array, kept: Array) -> tuple[Group, ...]:
    sizes, names = of.clustering.sizes, of.names
    rows, _ = nearest(of.run.x, of.clustering, max(sizes) if sizes else 0)
    total = max(1, int((kept & (ids >= 0)).sum()))
    found = []
    for g in range(of.clustering.k):
        if names.mark(g).excluded or not sizes[g]:
            continue
        own = rows[g][rows[g] >= 0]
        own = own[kept[own]]
        name = names.mark(g).name or f"Group {g + 1}"
        found.append(Group(g, name, names.mark(g).note, names.colour(g), own, len(own) / total))
    return tuple(found)


def _compounds(table: pd.DataFrame) -> Array | None:
    if "compound" not in table:
        return None
    return np.where(untreated(table), UNTREATED, table["compound"].astype(str).to_numpy(object))


def _kept(
    count: int,
    compound: Array | None,
    dose: Array | None,
    compounds: Sequence[str],
    doses: tuple[float, float] | None,
) -> Array:
    kept = np.ones(count, bool)
    if compounds and compound is not None:
        kept &= np.isin(compound.astype(str), [UNTREATED, *compounds])
    if doses is not None and dose is not None:
        kept &= (dose == 0) | ((dose >= doses[0]) & (dose <= doses[1]))
    return kept


def _text(table: pd.DataFrame, column: str) -> Array | None:
    if column not in table or table[column].isna().all():
        return None
    return np.asarray(table[column].astype(str).to_numpy(object))


def _unit(table: pd.DataFrame) -> str:
    units = table["dose_unit"].dropna().unique() if "dose_unit" in table else []
    return str(units[0]) if len(units) == 1 else "units as given"
