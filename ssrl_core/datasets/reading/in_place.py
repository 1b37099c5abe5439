"""Images that stay in their files: tars as WebDataset writes them, and pixels that are decoded when they are asked for.

`a/000123.jpg`, `a/000123.cls`, `a/000123.json` of a tar lie beside each other under one name: what is known becomes a
table of the tree's own, which an import reads like any that names images. Members are found once, by their heads; then
each is one read at its place.

Of an image set beside which no copy lies there are, beside `imageset.json`, `decoded.json` (where files are, what they
are brought to) and `decoded.parquet` (the file of each image, and where in it). Decoding is what an import does, so the
pixels are those that it would have written, and the image set has the same fingerprint.
"""

from __future__ import annotations

import io
import json
import os
import posixpath
import tarfile
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from ssrl_core import stores
from ssrl_core.datasets.columns import natural_key
from ssrl_core.datasets.imageset import DOCUMENT
from ssrl_core.datasets.reading import image as images
from ssrl_core.datasets.reading.image import is_image
from ssrl_core.datasets.reading.source import MAX_FILE_BYTES
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


KNOWN = "samples.csv"
_CLASSES = (".cls", ".cls.txt", ".cls.id")
_LONGEST = 65_536  # bytes of what is known of one image


def shards_of(path: Path) -> list[Path]:
    """The tars of a folder (or the one that is given), where it holds nothing else that could be meant."""
    if path.is_file():
        return [path] if path.suffix.lower() == ".tar" else []
    if not path.is_dir():
        return []
    found = sorted(path.glob("*.tar"), key=lambda file: natural_key(file.name))
    return [] if any(is_image(file.name) or file.is_dir() for file in path.iterdir()) else found


class ShardTree:
    """Tars, read in place; see `source.Tree`.

    Raises:
        DataError: a tar that cannot be read, or one that is packed.
    """

    notes: Sequence[str] = ()
    zarrs: Sequence[str] = ()

    def __init__(self, where: Path, shards: Sequence[Path]) -> None:
        self.where, self.root = str(where), where if where.is_dir() else where.parent
        self._places: dict[str, tuple[str, int, int]] = {}
        said: dict[str, dict[str, Any]] = {}
        for shard in shards:
            self._find(shard, said, many=len(shards) > 1)
        pictures = [path for path in self._places if is_image(path)]
        rows = [{"file": path, **said.get(_key(path), {})} for path in pictures]
        self._known = pd.DataFrame(rows).to_csv(index=False).encode() if said else b""
        self.files = sorted([*self._places, *([KNOWN] if said else [])], key=natural_key)

    def open(self, path: str) -> BinaryIO:
        """See Tree."""
        if path == KNOWN:
            return io.BytesIO(self._known)
        shard, begins, size = self._places[path]
        if size > MAX_FILE_BYTES:
            raise OSError(f"{size / 1e9:.1f} GB are too much for one file")
        with open(self.root / shard, "rb") as file:
            file.seek(begins)
            return io.BytesIO(file.read(size))

    def holds(self, path: str) -> bool:
        """See Tree."""
        return path in self._places

    def stamp(self, path: str) -> Hashable:
        """See Tree."""
        return (self.where, self._places.get(path), len(self._known))

    def place(self, source: str) -> tuple[str, int, int]:
        """The shard of an image, where it begins there and how long it is."""
        return self._places[source]

    def _find(self, shard: Path, said: dict[str, dict[str, Any]], *, many: bool) -> None:
        try:
            with tarfile.open(shard, "r:") as tar:
                for member in tar:
                    if not member.isfile() or posixpath.basename(member.name).startswith("."):
                        continue
                    path = posixpath.normpath(f"{shard.stem}/{member.name}" if many else member.name)
                    kind = next((end for end in (*_CLASSES, ".json") if path.lower().endswith(end)), None)
                    if kind is None:
                        self._places[path] = (shard.name, member.offset_data, member.size)
                    elif member.size <= _LONGEST:
                        read = tar.extractfile(member)
                        text = (read.read() if read else b"").decode("utf-8", "replace").strip()
                        said.setdefault(_key(path), {}).update(_meant(kind, text))
        except (tarfile.TarError, OSError) as error:
            remedy = "A packed one (.tar.gz) must be unpacked first; one cut short must be fetched again."
            raise DataError(f"{shard}: this is not a readable tar ({error}). {remedy}") from error


def _key(path: str) -> str:
    """A sample's name: what stands before the first dot of its files."""
    folder, name = posixpath.split(path)
    return posixpath.join(folder, name.partition(".")[0])


def _meant(kind: str, text: str) -> dict[str, Any]:
    if kind in _CLASSES:
        return {"class": text}
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    plain = found.items() if isinstance(found, dict) else ()
    return {str(name): value for name, value in plain if isinstance(value, str | int | float | bool) and name != "file"}
