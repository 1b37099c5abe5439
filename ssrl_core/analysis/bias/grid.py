"""The classes table as arrays: one grid of classes × values × seeds for each setting (method, backbone …)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ssrl_core.analysis.bias.columns import (
    BASE,
    DECIMALS,
    Axis,
    Floats,
    Ints,
    combined_codes,
    find_column,
    read_axis,
    split_columns,
    text_codes,
    vary_columns,
)
from ssrl_core.analysis.bias.reading import accuracy_of_counts, checked
from ssrl_core.analysis.bias.sentences import reason
from ssrl_core.errors import DataError, some_of


def gaps(
    setting: Mapping[str, Any],
    axis: Axis,
    classes: Sequence[str],
    seeds: Sequence[int],
    cells: Ints,
    accuracy: Floats,
    images: Floats,
    along: Sequence[str],
) -> list[dict[str, Any]]:
    """The rows of the table of reasons that a grid starts with.

    Args:
        cells: (C, V, S) rows of the table in each cell.
        accuracy, images: (C, V, S).
        along: columns that move together with x.
    """
    return [
        *_of_the_axis(setting, axis, along),
        *_of_the_runs(setting, axis, seeds, cells),
        *_of_the_seeds(setting, axis, seeds, accuracy),
        *_of_the_classes(setting, classes, cells, accuracy, images),
    ]


def _of_the_axis(setting: Mapping[str, Any], axis: Axis, along: Sequence[str]) -> Iterator[dict[str, Any]]:
    if axis.note:
        yield reason(setting, "axis" if axis.numeric else "names", axis.note)
    if len(axis.labels) < 3:
        text = f"{len(axis.labels)} value{'s' if len(axis.labels) > 1 else ''} of the parameter"
        yield reason(setting, "few_values", f"Only {text}: correlations and slopes need at least 3.")
    for other in along:
        name = other.removeprefix("vary.")
        yield reason(setting, "moves_along", f"{name} moves together with this parameter: both may be the cause.")


def _of_the_runs(setting: Mapping[str, Any], axis: Axis, seeds: Sequence[int], cells: Ints) -> Iterator[dict[str, Any]]:
    there = np.asarray(cells.any(axis=0))
    for place, value in enumerate(axis.cells()):
        missing = [seed for s, seed in enumerate(seeds) if not there[place, s]]
        if missing:
            text = f"No result of seed{'s' if len(missing) > 1 else ''} {some_of(missing)} at {axis.labels[place]}."
            yield reason(setting, "missing_runs", text, value=value)
    twice = int((cells.max(axis=0, initial=0) > 1).sum())
    if twice:
        yield reason(setting, "repeated", f"{twice} runs have the same value and seed as another: their mean is taken.")


def _of_the_seeds(
    setting: Mapping[str, Any], axis: Axis, seeds: Sequence[int], accuracy: Floats
) -> Iterator[dict[str, Any]]:
    if len(seeds) == 1:
        yield reason(setting, "one_seed", f"Only seed {seeds[0]}: how much a seed matters cannot be told, no sd.")
        return
    counts = np.asarray(np.isfinite(accuracy).any(axis=0)).sum(axis=1)
    single = [axis.labels[i] for i in np.flatnonzero(counts == 1)]
    if single:
        yield reason(setting, "one_seed", f"Only one seed at {some_of(single)}: no sd there.")


def _of_the_classes(
    setting: Mapping[str, Any], classes: Sequence[str], cells: Ints, accuracy: Floats, images: Floats
) -> Iterator[dict[str, Any]]:
    ran = np.asarray(cells.any(axis=0))[None]
    absent = ((cells == 0) & ran).sum(axis=(1, 2))
    empty = ((cells > 0) & (images == 0)).sum(axis=(1, 2))
    blank = ((cells > 0) & ~(images == 0) & ~np.isfinite(accuracy)).sum(axis=(1, 2))
    runs = int(ran.sum())
    kinds = (
        ("missing_class", absent, "has no row"),
        ("no_images", empty, "has no images"),
        ("no_accuracy", blank, "has no accuracy"),
    )
    for kind, counts, text in kinds:
        for c in map(int, np.flatnonzero(counts)):
            yield reason(setting, kind, f"{classes[c]} {text} in {counts[c]} of {runs} runs.", name=classes[c])


ROUNDED = 0.0051
"""An accuracy rounded to whole per cent may differ from its counts by half of one."""


def without_value(frame: pd.DataFrame, column: str) -> pd.Series:
    """(n,) bool: the rows that should have a value of a parameter and have none.

    Not those of another transformation: where two sweeps stand in one table, each column is given only where the other
    one is not.
    """
    given = frame[column].notna()
    explained = pd.Series(False, index=frame.index)
    if given.all():
        return explained
    for other in vary_columns(frame):
        there = frame[other].notna()
        if other != column and not (there & given).any():
            explained |= there
    return ~given & ~explained


def row_reasons(
    setting: Mapping[str, Any], axis: Axis, rows: pd.DataFrame, left_out: pd.DataFrame
) -> Iterator[dict[str, Any]]:
    """Rows of the table of reasons for one setting.

    Args:
        rows: of the setting. left_out: of all settings, those that have no value of the parameter.
    """
    mine = np.logical_and.reduce([left_out[name] == setting[name] for name in BASE]) if len(left_out) else np.zeros(0)
    lost = int(np.count_nonzero(mine))
    if lost:
        text = f"{lost} row{'s have' if lost > 1 else ' has'} no value of {axis.path}: left out of everything."
        yield reason(setting, "no_value", text)
    odd = int(((rows["accuracy"] - accuracy_of_counts(rows["n"], rows["correct"])).abs() > ROUNDED).sum())
    if odd:
        text = f"In {odd} of {len(rows)} rows the accuracy is not correct / n: the accuracy is taken."
        yield reason(setting, "counts_differ", text)


XNames = str | Sequence[str]
NOT_SET = "varies"
"""In a setting: the column is the parameter itself, or tells nothing apart there."""


@dataclass(frozen=True)
class Grid:
    """All runs of one setting.

    Args:
        setting: transformation (path of the x column), dataset, backbone, method, probe, and any other varied column.
        axis: the V values.
        classes: C names in alphabetical order; superclasses: theirs, None where not given.
        seeds: S, ascending.
        accuracy: (C, V, S) in 0..1, NaN where there is none.
        images: (C, V, S) images that the accuracy rests on; NaN where not known, 0 for a class without images.
        reasons: what is missing.
    """

    setting: dict[str, Any]
    axis: Axis
    classes: tuple[str, ...]
    superclasses: tuple[str | None, ...]
    seeds: tuple[int, ...]
    accuracy: Floats
    images: Floats
    reasons: tuple[dict[str, Any], ...] = field(default=(), repr=False)

    @property
    def counts(self) -> Ints:
        """(C, V) seeds that have an accuracy."""
        return np.asarray(np.isfinite(self.accuracy).sum(axis=2), dtype=np.int64)

    @property
    def mean(self) -> Floats:
        """(C, V) mean over the seeds that are there; NaN without any. Rounded to 1e-12, so that ties stay ties."""
        return mean_over_seeds(self.accuracy)

    @property
    def sd(self) -> Floats:
        """(C, V) standard deviation over seeds (n - 1); NaN with fewer than two."""
        return sd_over_seeds(self.accuracy)

    def points(self, kind: str) -> Floats:
        """(C, P): the means over seeds of each value (P = V), or every run as a point (P = V · S)."""
        if kind == "means":
            return self.mean
        return np.round(self.accuracy.reshape(len(self.classes), -1), DECIMALS)

    def point_values(self, kind: str) -> Floats:
        """(P,) value of the parameter of each point."""
        return self.axis.values if kind == "means" else np.repeat(self.axis.values, len(self.seeds))


def mean_over_seeds(accuracy: Floats) -> Floats:
    """Mean over the last axis of what is there; NaN without any."""
    there = np.isfinite(accuracy)
    count = there.sum(axis=-1)
    total = np.where(there, accuracy, 0.0).sum(axis=-1)
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return np.asarray(np.round(mean, DECIMALS), dtype=np.float64)


def sd_over_seeds(accuracy: Floats) -> Floats:
    """Sample standard deviation over the last axis; NaN with fewer than two."""
    there = np.isfinite(accuracy)
    count = there.sum(axis=-1)
    mean = np.divide(np.where(there, accuracy, 0.0).sum(axis=-1), np.maximum(count, 1))
    squares = (np.where(there, accuracy - mean[..., None], 0.0) ** 2).sum(axis=-1)
    variance = np.divide(squares, count - 1, out=np.full(squares.shape, np.nan), where=count > 1)
    return np.asarray(np.round(np.sqrt(variance), DECIMALS), dtype=np.float64)


def grids(table: pd.DataFrame, x: XNames) -> list[Grid]:
    """The grids of a classes table, sorted by setting; the order of the rows does not matter.

    Args:
        table: docs/contracts.md C10.
        x: the varied column (`vary.…`, its path, or the end of it); several to look at several transformations.

    Raises:
        DataError, SpecError: the table is not one, or has no such column, or no value in it.
    """
    frame = checked(table)
    names = [x] if isinstance(x, str) else list(x)
    return _alike([grid for name in names for grid in _grids_of(frame, find_column(frame, name))])


def _alike(found: list[Grid]) -> list[Grid]:
    """The grids with settings of the same keys: what is a setting beside one parameter is `NOT_SET` beside another."""
    keys = list(dict.fromkeys(key for grid in found for key in grid.setting))
    return [replace(grid, setting={key: grid.setting.get(key, NOT_SET) for key in keys}) for grid in found]


def _grids_of(frame: pd.DataFrame, column: str) -> list[Grid]:
    axis, rows, codes, left_out = _with_value(frame, column)
    apart, along = split_columns(rows, codes, column)
    keys = {name: text_codes(rows[name]) for name in (*BASE, *apart)}
    groups = combined_codes([keys[name][0] for name in keys])
    design = combined_codes(
        [keys[name][0] for name in ("dataset", *apart)]
    )  # runs of one design are meant to share values
    order = np.argsort(groups, kind="stable")
    found = []
    for part in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        named = {name: names[places[part[0]]] for name, (places, names) in keys.items()}
        planned = np.unique(codes[design == design[part[0]]])
        setting = {"transformation": axis.path, **named}
        own = rows.iloc[part]
        grid = _grid(own, axis, codes[part], planned, setting, along)
        found.append(replace(grid, reasons=(*row_reasons(setting, axis, own, left_out), *grid.reasons)))
    return _that_vary(found) if apart else found


def _with_value(frame: pd.DataFrame, column: str) -> tuple[Axis, pd.DataFrame, Ints, pd.DataFrame]:
    """The axis of a column, the rows that have a value on it with their places, and those left out for want of one.

    Among names, an empty cell is a name too (`none`); among numbers it has no place.
    """
    given, empty = frame[column].notna(), without_value(frame, column)
    if not given.any():
        raise DataError.at("Classes table", column, "given in at least one row", "no value")
    axis, codes = read_axis(frame.loc[given, column])
    if axis.numeric or not empty.any():
        return axis, frame if given.all() else frame[given].reset_index(drop=True), codes, frame[empty]
    rows = frame[given | empty].reset_index(drop=True)
    rows = rows.assign(**{column: rows[column].astype(object).where(rows[column].notna(), "none")})
    axis, codes = read_axis(rows[column])
    return axis, rows, codes, frame[:0]


def _that_vary(found: list[Grid]) -> list[Grid]:
    """The settings with more than one value, if there are such: others are points of another parameter's sweep."""
    kept = [grid for grid in found if len(grid.axis.labels) > 1]
    if not kept or len(kept) == len(found):
        return found
    first, rest = kept[0], len(found) - len(kept)
    text = f"{rest} settings of the other parameters have one value of {first.axis.path} only: left out."
    return [replace(first, reasons=(reason(first.setting, "one_value", text), *first.reasons)), *kept[1:]]


def _grid(
    rows: pd.DataFrame, axis: Axis, codes: Ints, planned: Ints, setting: dict[str, Any], along: list[str]
) -> Grid:
    part = Axis(axis.column, tuple(axis.labels[i] for i in planned), axis.values[planned], axis.note)
    values = np.searchsorted(planned, codes)
    classes, class_ids = _sorted_codes(rows["class"])
    seeds, seed_ids = np.unique(rows["seed"].to_numpy(), return_inverse=True)
    shape = (len(classes), len(planned), len(seeds))
    flat = np.ravel_multi_index((class_ids, values, seed_ids), shape)
    cells = np.bincount(flat, minlength=np.prod(shape)).reshape(shape)
    accuracy = _cell_means(rows["accuracy"].to_numpy(), flat, shape)
    images = _cell_means(rows["n"].to_numpy(), flat, shape)
    told = gaps(setting, part, classes, [int(s) for s in seeds], cells, accuracy, images, along)
    return Grid(
        setting, part, classes, _superclasses(rows, classes), tuple(map(int, seeds)), accuracy, images, tuple(told)
    )


def _sorted_codes(column: pd.Series) -> tuple[tuple[str, ...], Ints]:
    codes, names = pd.factorize(column)
    order = np.argsort(np.asarray(names, dtype=str), kind="stable")
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(len(order))
    return tuple(str(names[i]) for i in order), places[codes]


def _cell_means(column: NDArray[Any], flat: Ints, shape: tuple[int, ...]) -> Floats:
    """Mean of the rows of each cell (normally one); NaN without a value."""
    there = np.isfinite(column)
    size = int(np.prod(shape))
    total = np.bincount(flat[there], weights=column[there], minlength=size)
    count = np.bincount(flat[there], minlength=size)
    mean = np.divide(total, count, out=np.full(size, np.nan), where=count > 0)
    return np.asarray(mean.reshape(shape), dtype=np.float64)


def _superclasses(rows: pd.DataFrame, classes: tuple[str, ...]) -> tuple[str | None, ...]:
    given = rows.loc[rows["superclass"].notna(), ["class", "superclass"]].drop_duplicates("class")
    known = dict(zip(given["class"], given["superclass"].astype(str), strict=True))
    return tuple(known.get(name) for name in classes)
