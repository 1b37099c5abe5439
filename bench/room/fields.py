"""Generated microscope fields in a store that goes away: files, a table of them, and the truth about their nuclei."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

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

    from ssrl_core.datasets.made.simulation.fields import draw_field, screen_settings

    folder, number, seed = job
    settings = next(islice(screen_settings(seed=seed), number, None))[1]
    drawn = draw_field(settings, seed=seed, number=number)
    for name, channel in zip(CHANNELS, drawn.pixels, strict=True):
        tifffile.imwrite(Path(folder) / f"{number}-{name}.tif", channel)
    return drawn.nuclei
