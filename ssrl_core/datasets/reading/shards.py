"""Tar files as WebDataset writes them: an image and what is known of it lie beside each other under one name.

`a/000123.jpg`, `a/000123.cls`, `a/000123.json`: what is known becomes a table of the tree's own, which an import reads
like any that names images. Members are found once, by their heads; then each is one read at its place.
"""

from __future__ import annotations

import io
import json
import posixpath
import tarfile
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from ssrl_core.datasets.columns import natural_key
from ssrl_core.datasets.reading.image import is_image
from ssrl_core.datasets.reading.source import MAX_FILE_BYTES
from ssrl_core.errors import DataError

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
