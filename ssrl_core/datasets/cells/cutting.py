"""A square around each nucleus, and the reasons for which some are left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.datasets.cells.quality import edge_width, full_scale, shapes
from ssrl_core.datasets.cells.settings import CellSettings
from ssrl_core.datasets.readers.fitting import fitted
from ssrl_core.errors import DataError

Array = np.ndarray[Any, Any]
REASONS = {
    "border": "the crop would leave the field",
    "empty": "no nucleus that stands out of the noise",
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
    """

    pixels: Array
    table: pd.DataFrame
    dropped: dict[str, int]
    examples: dict[str, Array] = field(default_factory=dict)


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
        raise DataError(
            where="cells", field="the field", rule=f"(C, {labels.shape[0]}, {labels.shape[1]})", value=image.shape
        )
    pixel_um = pixel_um or s.pixel_um
    side = _side(s, pixel_um)
    x, y, area, eccentricity = shapes(labels)
    left, top = (np.rint(v - (side - 1) / 2).astype(np.int64) for v in (x, y))
    edge, contrast = edge_width(image[dna], labels, _usual_diameter(area)) if len(x) else (x, x)
    reason = _reasons(image if saturated_in is None else saturated_in, s, left, top, side, edge, contrast)
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
            "edge_width": edge,
            "contrast": contrast,
        }
    )
    if pixel_um:
        table["nuclear_area_um2"] = area * pixel_um**2
    dropped = {name: int((reason == name).sum()) for name in REASONS if (reason == name).any()}
    first = {name: int(np.flatnonzero(reason == name)[0]) for name in dropped}
    examples = {name: _crop(image, left[i], top[i], side, s.size) for name, i in first.items()}
    pixels = np.empty((len(kept), image.shape[0], s.size, s.size), image.dtype)
    for k, i in enumerate(kept):
        pixels[k] = _crop(image, left[i], top[i], side, s.size)
    return Crops(pixels, table.iloc[kept].reset_index(drop=True), dropped, examples)


def _side(s: CellSettings, pixel_um: float | None) -> int:
    """Pixels of the field that a crop spans."""
    if s.span_um is None:
        return s.size
    if not pixel_um:
        raise DataError(
            where="cells",
            field="span_um",
            rule="given only where the pixel size is known",
            value=s.span_um,
            remedy="Give pixel_um too, or the size in px alone.",
        )
    return max(2, round(s.span_um / pixel_um))


def _reasons(image: Array, s: CellSettings, left: Array, top: Array, side: int, edge: Array, contrast: Array) -> Array:
    """(n,) why each is dropped, "" if it is kept; of several reasons the first of `REASONS`."""
    reason = np.full(len(left), "", dtype=object)
    outside = (left < 0) | (top < 0) | (left + side > image.shape[2]) | (top + side > image.shape[1])
    if s.saturated_limit is not None:
        full_at = full_scale(image)
        if image.max(initial=0) >= full_at:
            full: Array = np.any(image >= full_at, axis=0)
            reason[_share(full, left, top, side) > s.saturated_limit] = "saturated"
    if s.focus_limit is not None:
        reason[edge > s.focus_limit] = "out of focus"
    if s.contrast_limit is not None:
        reason[contrast < s.contrast_limit] = "empty"
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


def _usual_diameter(area: Array) -> float:
    return float(np.sqrt(4 / np.pi * np.median(area)))
