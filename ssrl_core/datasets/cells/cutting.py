"""A square around each nucleus, the reasons for which some are left out, and the processes that cut field by field."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.datasets.cells.fields import FieldList, FieldRow, UnreadableField, read_field, shown_below
from ssrl_core.datasets.cells.illumination import Lighting, corrected
from ssrl_core.datasets.cells.nuclei import Sharpness, detect, sharpness, usual_of, usual_width, width_of
from ssrl_core.datasets.cells.outlines import packed
from ssrl_core.datasets.cells.planning import Plan, Shard, Shards, kept_plan, plate_of
from ssrl_core.datasets.cells.settings import CellSettings, Usual
from ssrl_core.datasets.progress import in_order
from ssrl_core.datasets.reading.image import fitted
from ssrl_core.errors import DataError

Array = np.ndarray[Any, Any]
_FULL_SCALES = (1023, 4095, 16383)  # of cameras of 10, 12, 14 bits in 16-bit files


def full_scale(field: Array) -> int:
    """The grey value at which a field's camera saturates: its type's largest, or the 10, 12, 14 bits it uses."""
    top = int(np.iinfo(field.dtype).max)
    highest = int(field.max())
    if highest in _FULL_SCALES and np.count_nonzero(field == highest) >= 20:
        return highest
    return top


def shapes(labels: Array) -> tuple[Array, Array, Array, Array]:
    """Middle, area and eccentricity of every nucleus.

    Returns:
        x, y (n,) px (columns, rows; the first pixel's centre is 0), area (n,) px, eccentricity (n,) 0 = disc .. 1 =
        line.
    """
    count = int(labels.max()) + 1
    places = np.flatnonzero(labels)
    rows, columns = np.divmod(places, labels.shape[1])
    own = labels.ravel()[places]
    area = np.bincount(own, minlength=count).astype(float)
    n = np.maximum(area, 1)
    x, y = np.bincount(own, columns, minlength=count) / n, np.bincount(own, rows, minlength=count) / n
    u, v = columns - x[own], rows - y[own]
    xx, yy, xy = (np.bincount(own, w, minlength=count) / n for w in (u * u, v * v, u * v))
    root, middle = np.sqrt((xx - yy) ** 2 / 4 + xy**2), (xx + yy) / 2
    ratio = np.clip((middle - root) / np.maximum(middle + root, 1e-9), 0, 1)
    return x[1:], y[1:], area[1:], np.sqrt(1 - ratio)[1:]


REASONS = {
    "border": "the crop would leave the field",
    "empty": "no nucleus that stands out of the noise",
    "speck": "too little DNA for a nucleus: small, or small and dim",
    "out of focus": "the nucleus is blurred",
    "saturated": "too many pixels at the top of the camera's range",
    "over the limit": "more cells in the field than were asked for",
}


@dataclass(frozen=True)
class Crops:
    """The cells of a field.

    Attributes:
        pixels: (n, C, S, S) of the field's type.
        table: n rows: x_px, y_px (middle of the nucleus in the field; column and row, the first pixel's centre is 0),
            nucleus_id (number in the label map), nuclear_area_px, nuclear_eccentricity, neighbours (other nuclei with
            their middle in the crop), edge_width, contrast; with a known pixel size also nuclear_area_um2.
        dropped: reason -> how many.
        examples: reason -> one dropped crop (C, S, S), if there was one.
        outlines: of each cell its nucleus's box and mask, as `outlines.packed` gives them.
    """

    pixels: Array
    table: pd.DataFrame
    dropped: dict[str, int]
    examples: dict[str, Array] = field(default_factory=dict)
    outlines: tuple[Array, Array] | None = None


def cut(
    image: Array,
    labels: Array,
    settings: CellSettings | None = None,
    *,
    dna: int = 0,
    pixel_um: float | None = None,
    salt: int = 0,
    saturated_in: Array | None = None,
) -> Crops:
    """Crops around the nuclei of a field.

    Args:
        image: (C, H, W) uint8 or uint16.
        labels: (H, W) nuclei, 1..n, as `detect` gives them.
        settings: size, limits (see CellSettings).
        dna: which channel the nuclei are in.
        pixel_um: size of a pixel; `span_um` needs it.
        salt: the field's number, so that `per_field` chooses other places in every field.
        saturated_in: the field as the camera gave it, where `image` was corrected since.

    Raises:
        DataError: labels of another size than the image, or `span_um` without a pixel size.
    """
    s = settings or CellSettings()
    if image.ndim != 3 or image.shape[1:] != labels.shape:
        raise DataError.at("cells", "the field", f"(C, {labels.shape[0]}, {labels.shape[1]})", image.shape)
    s = replace(s, pixel_um=pixel_um or s.pixel_um)
    x, y, area, eccentricity = shapes(labels)
    look = sharpness(image[dna], labels, s.nuclei.diameter_px or usual_width(area) or 1.0)
    s = s if s.is_fitted else _fitted(s, area, look)
    size, side = s.side_px
    left, top = (np.rint(v - (side - 1) / 2).astype(np.int64) for v in (x, y))
    camera = image if saturated_in is None else saturated_in
    reason = _reasons(camera, s, left, top, side, look, _content(s, area, look))
    _limit(reason, s, salt)
    kept = np.flatnonzero(reason == "")
    table = pd.DataFrame(
        {
            "x_px": x,
            "y_px": y,
            "nucleus_id": np.arange(1, len(x) + 1),
            "nuclear_area_px": area.astype(np.int64),
            "nuclear_eccentricity": eccentricity,
            "neighbours": _neighbours(x, y, left, top, side),
            "edge_width": look.edge,
            "contrast": look.contrast,
        }
    )
    if s.pixel_um:
        table["nuclear_area_um2"] = area * s.pixel_um**2
    dropped = {name: int((reason == name).sum()) for name in REASONS if (reason == name).any()}
    first = {name: int(np.flatnonzero(reason == name)[0]) for name in dropped}
    examples = {name: _crop(image, left[i], top[i], side, size) for name, i in first.items()}
    pixels = np.empty((len(kept), image.shape[0], size, size), image.dtype)
    for k, i in enumerate(kept):
        pixels[k] = _crop(image, left[i], top[i], side, size)
    return Crops(pixels, table.iloc[kept].reset_index(drop=True), dropped, examples, packed(labels, kept + 1))


def counted_by(column: str, counts: Mapping[str, Counter[str]]) -> dict[str, Any]:
    """Nuclei of each value of a column: found, kept, and dropped by reason.

    Args:
        counts: value -> kept, and dropped by reason.
    """
    rows = [{"value": value, "found": of.total(), **of} for value, of in sorted(counts.items())]
    return {"column": column, "rows": rows}


def _fitted(s: CellSettings, area: Array, look: Sharpness) -> CellSettings:
    """A field alone is judged by its own nuclei."""
    usual = usual_of([np.stack([width_of(area), look.height, look.edge], axis=1)])
    return s.fitted(usual or Usual(1.0, 1.0, 0.0))


def _content(s: CellSettings, area: Array, look: Sharpness) -> Array:
    """(n,) DNA of each, by that of a usual nucleus: area times brightness."""
    usual = np.pi / 4 * (s.nuclei.diameter_px or 1) ** 2 * (s.nuclei.brightness or 1)
    share: Array = area * look.height / usual
    return share


def _reasons(
    image: Array, s: CellSettings, left: Array, top: Array, side: int, look: Sharpness, content: Array
) -> Array:
    """(n,) why each is dropped, "" if it is kept; of several reasons the first of `REASONS`."""
    reason = np.full(len(left), "", dtype=object)
    outside = (left < 0) | (top < 0) | (left + side > image.shape[2]) | (top + side > image.shape[1])
    if s.saturated_limit is not None:
        full_at = full_scale(image)
        if image.max(initial=0) >= full_at:
            full: Array = np.any(image >= full_at, axis=0)
            reason[_share(full, left, top, side) > s.saturated_limit] = "saturated"
    if isinstance(s.focus_limit, int | float):
        reason[look.edge > s.focus_limit] = "out of focus"
    if s.speck_limit is not None:
        reason[content < s.speck_limit] = "speck"
    if s.contrast_limit is not None:
        reason[look.contrast < s.contrast_limit] = "empty"
    if not s.keep_border:
        reason[outside] = "border"
    return reason


def _share(mask: Array, left: Array, top: Array, side: int) -> Array:
    """Share of each square that is set."""
    total = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int64)
    total[1:, 1:] = mask.cumsum(axis=0, dtype=np.int64).cumsum(axis=1)
    t, b = np.clip(top, 0, mask.shape[0]), np.clip(top + side, 0, mask.shape[0])
    a, z = np.clip(left, 0, mask.shape[1]), np.clip(left + side, 0, mask.shape[1])
    shares: Array = (total[b, z] - total[t, z] - total[b, a] + total[t, a]) / side**2
    return shares


def _limit(reason: Array, s: CellSettings, salt: int) -> None:
    """Leave at most `per_field` cells, chosen by seed."""
    kept = np.flatnonzero(reason == "")
    if s.per_field is None or len(kept) <= s.per_field:
        return
    rank = np.argsort(np.random.Philox(key=[s.seed, salt]).random_raw(len(kept)), kind="stable")
    reason[kept[rank[s.per_field :]]] = "over the limit"


def _crop(image: Array, left: int, top: int, side: int, size: int) -> Array:
    """(C, size, size); what lies outside the field is 0."""
    out = np.zeros((image.shape[0], side, side), image.dtype)
    t, b = max(0, int(top)), min(image.shape[1], int(top) + side)
    a, z = max(0, int(left)), min(image.shape[2], int(left) + side)
    if b > t and z > a:
        out[:, t - top : b - top, a - left : z - left] = image[:, t:b, a:z]
    return out if side == size else fitted(out, size, "stretch")


def _neighbours(x: Array, y: Array, left: Array, top: Array, side: int) -> Array:
    """How many other nuclei have their middle in each crop."""
    counts = np.zeros(len(x), np.int64)
    for i in range(len(x)):
        inside = (x >= left[i] - 0.5) & (x < left[i] + side - 0.5) & (y >= top[i] - 0.5) & (y < top[i] + side - 0.5)
        counts[i] = inside.sum() - 1
    return counts


@dataclass(frozen=True)
class FieldTask:
    """A field to be cut.

    Attributes:
        number: which of the import, from 0.
        nuclei: which channel holds the nuclei.
        base: the folder that paths are shown relative to.
    """

    number: int
    row: FieldRow
    nuclei: int
    base: Path

    @classmethod
    def of(cls, listed: FieldList, number: int) -> FieldTask:
        """The task of a listed field."""
        return cls(number, listed.fields[number], listed.nuclei, listed.base)


def cut_field(task: FieldTask, plan: Plan, shards: Shards) -> None:
    """Leave the shard of a field; one that cannot be read leaves its reason."""
    try:
        image = read_field(task.row)
    except UnreadableField as error:
        skipped = {"file": shown_below(task.base, error.path), "reason": error.reason}
        shards.write(task.number, Shard(0, {}, {}, skipped), None, None, {})
        return
    lighting = plan.lightings.get(plate_of(task.row))
    settings = _stretched(plan.settings, lighting, task.nuclei, image)
    even = corrected(image, lighting)
    labels = detect(even[task.nuclei], settings.nuclei)
    crops = cut(even, labels, settings, dna=task.nuclei, salt=task.number, saturated_in=image)
    highest = int(crops.pixels.max(initial=0))
    shard = Shard(len(crops.pixels), {}, crops.dropped, None, image.dtype.name, highest)
    shards.write(task.number, shard, crops.pixels, crops.table, crops.examples, crops.outlines)


def _stretched(settings: CellSettings, lighting: Lighting | None, dna: int, image: Array) -> CellSettings:
    """The settings for grey values that a plate's lighting stretches: the usual brightness grows with them."""
    if lighting is None or lighting.limits is None or settings.nuclei.brightness is None:
        return settings
    low, high = lighting.limits[dna]
    times = np.iinfo(image.dtype).max / max(high - low, 1.0)
    return replace(settings, nuclei=replace(settings.nuclei, brightness=settings.nuclei.brightness * times))


def cut_field_by_plan(task: FieldTask, shards: Shards) -> None:
    """`cut_field` by the plan that the import keeps beside its shards: what is sent to a process stays small."""
    cut_field(task, _plan_of(shards.folder), shards)


@lru_cache(1)
def _plan_of(folder: Path) -> Plan:
    """The plan of the import that this process works for (a process works for one)."""
    return Plan.from_json(kept_plan(folder))


_MOST = 8
_FEWEST_FIELDS = 20  # below, starting processes takes longer than they save
_IDLE_S = 20  # a process without work ends by itself, so that none outlives an import that was killed


class Cutters:
    """Who cuts the fields of one import; to be used in a `with`.

    Processes start at once, so that they are ready when the plan is.

    Args:
        shards: where the cells of each field are kept.
        settings: a network that finds nuclei has one copy, in threads: it is large, and releases the interpreter.
        fields: how many there are.
        workers: how many at once; None = one a core, at most 8.

    Attributes:
        threads: for what else is to be done for several fields at a time.
    """

    def __init__(self, shards: Shards, settings: CellSettings, fields: int, workers: int | None = None) -> None:
        count = workers or min(_MOST, os.cpu_count() or 1)
        self._shards, self._ahead = shards, 2 * count
        self.threads = ThreadPoolExecutor(count)
        many = count > 1 and fields >= _FEWEST_FIELDS and settings.nuclei.detector == "threshold"
        self._processes = _started(count) if many else None

    def __enter__(self) -> Cutters:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.threads.shutdown(cancel_futures=True)
        if self._processes is not None:
            self._processes.shutdown()

    def cut(self, tasks: Iterator[FieldTask], plan: Plan) -> Iterator[None]:
        """Leave the shard of each field, yielding as they are done, in order.

        Raises:
            DataError: a process was ended from outside.
        """
        if self._processes is None:
            here = partial(cut_field, plan=plan, shards=self._shards)
            yield from in_order(self.threads, here, tasks, ahead=self._ahead)
            return
        elsewhere = partial(cut_field_by_plan, shards=self._shards)
        try:
            yield from in_order(self._processes, elsewhere, tasks, ahead=self._ahead)
        except BrokenProcessPool as error:
            raise DataError(
                "A process that cut fields was ended, as happens where memory is short. Run the import again to go on "
                "where it was; with fewer workers it takes less memory."
            ) from error


def _started(count: int) -> Executor:
    """A pool whose processes have loaded their libraries before the first field is given to them."""
    from joblib.externals.loky import ProcessPoolExecutor

    pool: Executor = ProcessPoolExecutor(count, timeout=_IDLE_S)
    for _ in range(count):
        pool.submit(_loaded)
    return pool


def _loaded() -> None:
    """Unpickling this function's name has imported what a field needs."""
