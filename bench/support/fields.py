"""Generated microscope fields in a store that goes away: files, a table of them, and the truth about their nuclei."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ssrl_core.datasets.cells.fields import FieldRow

CHANNELS = ("DNA", "actin", "tubulin")


@dataclass(frozen=True)
class Drawn:
    """Fields on disk.

    Attributes:
        truth: (H, W) nuclei of each field.
        diameter_px: median of all nuclei.
        what: for the report.
    """

    folder: Path
    truth: list[npt.NDArray[np.int32]]
    diameter_px: float
    what: str

    def row(self, number: int) -> FieldRow:
        """The files of a field."""
        return FieldRow(tuple((self.folder / f"{number}-{name}.tif",) for name in CHANNELS))


@contextmanager
def drawn_fields(count: int, *, seed: int = 5) -> Iterator[Drawn]:
    """The first fields of a simulated screen as TIFF files, with a store of image sets beside them."""
    before = os.environ.get("SSRL_DATA")
    with tempfile.TemporaryDirectory(prefix="viewloom-bench-") as folder:
        place = Path(folder) / "fields"
        place.mkdir()
        os.environ["SSRL_DATA"] = str(Path(folder) / "data")
        try:
            with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
                done = list(pool.map(_written, [(str(place), number, seed) for number in range(count)]))
            areas = np.concatenate([np.bincount(truth.ravel())[1:] for truth in done])
            what = (
                f"{count} generated fields of 1280 × 1024, three channels, 16 bit, about {len(areas) // count} nuclei"
            )
            yield Drawn(place, done, float(np.sqrt(4 / np.pi * np.median(areas))), what)
        finally:
            os.environ.pop("SSRL_DATA") if before is None else os.environ.__setitem__("SSRL_DATA", before)


def table_of(drawn: Drawn, count: int, *, plates: int = 2) -> Path:
    """A table of `count` fields, which names the same files again and again."""
    rows = []
    for number in range(count):
        files = drawn.row(number % len(drawn.truth)).files
        known = {"plate": f"plate-{number % plates + 1}", "well": f"B{number % 10 + 2:02d}", "site": number}
        rows.append({**{name: file[0].name for name, file in zip(CHANNELS, files, strict=True)}, **known})
    path = drawn.folder / "fields.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def _written(job: tuple[str, int, int]) -> npt.NDArray[np.int32]:
    """Draw one field of the screen and write it; its nuclei."""
    import tifffile

    from ssrl_core.datasets.made.simulation.crops import draw_field, screen_settings

    folder, number, seed = job
    settings = next(islice(screen_settings(seed=seed), number, None))[1]
    drawn = draw_field(settings, seed=seed, number=number)
    for name, channel in zip(CHANNELS, drawn.pixels, strict=True):
        tifffile.imwrite(Path(folder) / f"{number}-{name}.tif", channel)
    return drawn.nuclei


Array = np.ndarray[Any, Any]
_SIGMA = 2.0
_SEED_GAP = 12
_SMALLEST = 200


def detect(dna: Array) -> Array:
    """(H, W) labels: Gaussian blur, Otsu's threshold, distance transform, watershed, small objects gone."""
    from scipy import ndimage
    from skimage import feature, filters, measure, segmentation

    smooth = filters.gaussian(dna, _SIGMA, preserve_range=True)
    mask = ndimage.binary_fill_holes(smooth > filters.threshold_otsu(smooth))
    distance = ndimage.distance_transform_edt(mask)
    peaks = feature.peak_local_max(
        filters.gaussian(distance, _SIGMA), min_distance=_SEED_GAP, labels=measure.label(mask), exclude_border=False
    )
    seeds = np.zeros(dna.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    labels = segmentation.watershed(-distance, seeds, mask=mask)
    small = np.bincount(labels.ravel()) < _SMALLEST
    labels[small[labels]] = 0
    result: Array = segmentation.relabel_sequential(labels)[0]
    return result


def cut(image: Array, labels: Array, size: int) -> Array:
    """(n, C, size, size): squares around the middles of the nuclei that lie inside the field."""
    from skimage import measure

    crops = []
    for region in measure.regionprops(labels):
        top, left = (round(v - (size - 1) / 2) for v in region.centroid)
        if 0 <= top <= image.shape[1] - size and 0 <= left <= image.shape[2] - size:
            crops.append(image[:, top : top + size, left : left + size])
    return np.stack(crops) if crops else np.empty((0, len(image), size, size), image.dtype)


def import_all(rows: Sequence[FieldRow], out: Path, size: int) -> int:
    """Read every field, find, cut, and write the cells into one file; returns how many."""
    from skimage import io

    count = 0
    with open(out, "wb") as file:
        for row in rows:
            image = np.stack([io.imread(files[0]) for files in row.files])
            crops = cut(image, detect(image[0]), size)
            file.write(np.ascontiguousarray(crops).data)
            count += len(crops)
    return count
