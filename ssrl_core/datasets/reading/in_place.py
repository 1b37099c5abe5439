"""Pixels that stay in their files: an image set beside which no copy lies, decoded when images are asked for.

Beside `imageset.json` lie `decoded.json` (where files are, what they are brought to) and `decoded.parquet` (the file of
each image, and where in it: a member of a tar begins at an offset). Decoding is what an import does, so the pixels are
those that it would have written, and the image set has the same fingerprint.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core import stores
from ssrl_core.datasets.imageset import DOCUMENT
from ssrl_core.datasets.reading import image as images
from ssrl_core.datasets.reading.tiff import Sight
from ssrl_core.errors import DataError

Array = np.ndarray[Any, Any]
PLACES = "decoded.parquet"
_FEW = 8  # images that are not worth a thread


@dataclass(frozen=True)
class Recipe:
    """What each file is brought to: channels, side and way of `fitted`, orientation and alpha of `Sight`."""

    channels: int
    side: int | None
    way: str
    turned: bool
    alpha: str

    def decode(self, file: Any) -> Array:
        """(C, H, W) uint8 of an opened file of one image."""
        pixels = images.numbers(file, Sight(self.turned, self.alpha))[0]
        if len(pixels) == 1 and self.channels == 3:
            pixels = np.repeat(pixels, 3, axis=0)
        return pixels if self.side is None else images.fitted(pixels, self.side, self.way)


class Decoded:
    """(N, C, H, W) uint8 that is indexed as an array, and decoded by as many threads as there are cores.

    Args:
        folder: of the image set.
        shape: (N, C, H, W).
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, folder: Path, shape: tuple[int, int, int, int]) -> None:
        document = stores.read_json(folder / DOCUMENT)
        places = pd.read_parquet(folder / PLACES)
        self.shape, self._root = shape, Path(document["root"])
        self._recipe = Recipe(**document["recipe"])
        self._files, self._begins, self._sizes = (places[name].to_numpy() for name in ("file", "offset", "size"))

    @property
    def nbytes(self) -> int:
        """Bytes that all of them would take."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Array:
        rows, rest = (key[0], key[1:]) if isinstance(key, tuple) else (key, ())
        chosen = np.arange(len(self))[rows]
        if chosen.ndim == 0:
            found = self._image(int(chosen))
            return found[rest] if rest else found
        several = self._threads.map(self._image, chosen) if len(chosen) >= _FEW else map(self._image, chosen)
        made = np.empty((len(chosen), *self.shape[1:]), np.uint8)
        for place, pixels in enumerate(several):
            made[place] = pixels
        return made[(slice(None), *rest)] if rest else made

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        return self[:].astype(dtype or self.dtype, copy=False)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(min(16, os.cpu_count() or 1), "decoding")

    def _image(self, row: int) -> Array:
        path = self._root / self._files[row]
        try:
            with open(path, "rb") as file:
                if os.fstat(file.fileno()).st_size < self._begins[row] + self._sizes[row]:
                    raise DataError("it is shorter than it was")
                file.seek(int(self._begins[row]))
                pixels = self._recipe.decode(io.BytesIO(file.read(int(self._sizes[row]))))
        except (OSError, DataError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            remedy = "The images of this set stay in their files: put them back, or import them anew."
            raise DataError(f"{path}: image {row} cannot be read ({why}). {remedy}") from error
        if pixels.shape != self.shape[1:]:
            raise DataError(f"{path}: image {row} has another shape than when it was imported. Import the set anew.")
        return pixels


@dataclass(frozen=True)
class InPlace:
    """How the images of a reading are decoded later.

    Attributes:
        root: the folder that names of files begin at.
        place: of an image's `source`: its file, where it begins there and how long it is.
    """

    root: Path
    recipe: Recipe
    place: Callable[[str], tuple[str, int, int]]

    def write(self, folder: Path, sources: list[str]) -> None:
        """Both files, for images of these sources."""
        places = pd.DataFrame([self.place(source) for source in sources], columns=["file", "offset", "size"])
        stores.replace(folder / PLACES, lambda file: places.to_parquet(file, index=False))
        stores.write_json(
            folder / DOCUMENT, {"version": 1, "root": str(self.root.resolve()), "recipe": self.recipe.__dict__}
        )
