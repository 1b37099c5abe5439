"""A new image set, whole or not at all: built in a temporary folder of the store, then renamed."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from ssrl_core import access, stores
from ssrl_core.datasets import builtin, splits
from ssrl_core.datasets.columns import OWN_COLUMNS, class_ids, column_of
from ssrl_core.datasets.imageset import Channel, ImageSet
from ssrl_core.datasets.pictures import as_json, default_channels
from ssrl_core.errors import DataError, SpecError, some_of
from ssrl_core.stores import held

Array = np.ndarray[Any, Any]
DTYPES = ("uint8", "uint16")
_HEADER = 128


class PixelFile:
    """An .npy file of (N, C, H, W) uint8 or uint16 that grows.

    Args:
        path: the file; its folder exists.
        kept: whether it is written; else the pixels are only counted and digested.

    Attributes:
        count: images written so far.
        shape: (C, H, W) of the first chunk; later chunks must have it too.
        digest: sha256 over the pixels, in order.
    """

    def __init__(self, path: Path, *, kept: bool = True) -> None:
        self.path = path
        self._kept = kept
        self.count = 0
        self.shape: tuple[int, int, int] | None = None
        self.dtype: str = ""
        self.digest = hashlib.sha256()
        self._file: BinaryIO | None = None
        self._beside = ThreadPoolExecutor(1)

    def __enter__(self) -> PixelFile:
        self._file = open(self.path if self._kept else os.devnull, "wb")
        self._file.write(b"\0" * _HEADER)
        return self

    def append(self, chunk: np.ndarray[Any, Any]) -> None:
        """Write (n, C, H, W) images at the end.

        Raises:
            DataError: another dtype or shape than uint8|uint16 and the chunks before.
        """
        if chunk.ndim != 4 or chunk.dtype.name not in DTYPES:
            raise DataError.at(
                f"image set {self.path.parent.name!r}",
                "pixels",
                "(N, C, H, W) uint8 or uint16",
                f"{chunk.shape} {chunk.dtype}",
            )
        shape = (int(chunk.shape[1]), int(chunk.shape[2]), int(chunk.shape[3]))
        if self.shape is None:
            self.shape, self.dtype = shape, chunk.dtype.name
        if (shape, chunk.dtype.name) != (self.shape, self.dtype):
            raise DataError.at(
                f"image set {self.path.parent.name!r}",
                "pixels",
                f"of one shape, {self.shape} {self.dtype}",
                f"{shape} {chunk.dtype}",
                "Give a size that all images are fitted to (--size).",
            )
        if self._file is None:
            raise ValueError("the pixel file is not open")
        data = np.ascontiguousarray(chunk, dtype=chunk.dtype.newbyteorder("<")).data
        digested = self._beside.submit(self.digest.update, data)  # both release the interpreter: one beside the other
        self._file.write(data)
        digested.result()
        self.count += len(chunk)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._beside.shutdown()
        if self._file is None:
            return
        if kind is None and self._kept:
            self._file.seek(0)
            self._file.write(self._header())
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()

    def _header(self) -> bytes:
        """Version 1.0 of the .npy format, padded to 128 bytes."""
        descr = "|u1" if self.dtype in ("", "uint8") else "<u2"
        shape = (self.count, *(self.shape or (1, 1, 1)))
        text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
        room = _HEADER - 10 - 1 - len(text)
        return b"\x93NUMPY\x01\x00" + (_HEADER - 10).to_bytes(2, "little") + text.encode() + b" " * room + b"\n"


RESERVED = ("downloads",)  # folders of the store that are no image sets
_CHUNK = 1024


@dataclass(frozen=True)
class Metadata:
    """What is said of a new image set beside its pixels and its table.

    Attributes:
        title: the name for people; None = its name.
        classes: class names in order; None takes those of the label column.
        label: the column that is the truth.
        max_value: the pixel value that stands for 1.0; None = 255 or 65535.
        channels: names, or names with colours; None = by their number.
        seed: decides the order and the split (70/10/20 stratified by label, or by `group`).
        group: a column no value of which may be in two splits.
        by_well: where wells are known and no group was asked for, they stay whole as far as that is possible.
        source, licence, citation: where it comes from, who may use it, how it is cited.
        skipped: what was left out, and why: {file, reason}.
        understood: what was understood of the source, in plain values. Like `source` and `max_value`, a function is
            called, and `skipped` is read, when all pixels have come through.
        in_place: writes down, for the sources of all images, where their pixels are found later; these are not copied.
    """

    title: str | None = None
    classes: Sequence[str] | None = None
    label: str | None = None
    max_value: int | Callable[[], int | None] | None = None
    channels: Sequence[Channel | str] | None = None
    pixel_size_um: float | None = None
    seed: int = 5
    group: str | None = None
    by_well: bool = False
    source: str | Callable[[], str] = ""
    licence: str | None = None
    citation: str | None = None
    skipped: Sequence[Mapping[str, str]] = ()
    understood: Callable[[], Mapping[str, Any]] | None = None
    in_place: Callable[[Path, list[str]], None] | None = None


@dataclass(frozen=True)
class _Tabled:
    """The finished table and what was decided about it."""

    table: pd.DataFrame
    classes: tuple[str, ...]
    given: bool
    group: str | None


def create_built_in(
    row: builtin.BuiltIn, pixels: Array | Iterable[Array], table: pd.DataFrame, **said: Any
) -> ImageSet:
    """Create an image set that ships, under the name, title, classes and label of its row.

    Args:
        pixels, table: as of `create`.
        said: more of `Metadata`: licence, citation …
    """
    source = builtin.source_of(row.name)
    return _create(
        row.name, pixels, table, Metadata(title=row.title, classes=row.classes, label=row.label, source=source, **said)
    )


def create(
    name: str,
    pixels: Array | Iterable[Array],
    table: pd.DataFrame | Callable[[], pd.DataFrame],
    metadata: Metadata | None = None,
) -> ImageSet:
    """Write an image set into the store.

    Memory: one chunk of pixels and the table; `pixels` given as an iterable of chunks never comes together.

    Args:
        name: a slug; a set that is already there is refused, but one made under a built-in name is replaced.
        pixels: (N, C, H, W) uint8|uint16, or an iterable of such chunks.
        table: N rows; may hold `source`, `split` (given: train|val|test, kept), the label column, any others. A
            function is called after the last chunk, when it is known which images came through.

    Raises:
        SpecError: a bad name, label, group or seed.
        DataError: no images, or pixels and table that do not fit together. Nothing is left behind.
    """
    access.require_editor("Making an image set")
    return _create(name, pixels, table, metadata or Metadata())


def _create(
    name: str, pixels: Array | Iterable[Array], table: pd.DataFrame | Callable[[], pd.DataFrame], said: Metadata
) -> ImageSet:
    """`create` for whoever asks: a set that ships is made when it is first named, by viewers too."""
    stores.check_slug(name, where="image set")
    check_free(name)
    with held(name), _building(name) as folder:
        with PixelFile(folder / "pixels.npy", kept=said.in_place is None) as file:
            for chunk in _chunks(pixels):
                file.append(chunk)
            if file.count == 0 or file.shape is None:
                reason = _first_reason(said.skipped)
                raise DataError(f'Image set "{name}": there is not one image in it. {reason}'.strip())
        done = _tabled(name, table() if callable(table) else table, file.count, said)
        _write_table(folder, done.table)
        if said.in_place is not None:
            said.in_place(folder, done.table["source"].tolist())
        stores.write_json(folder / "imageset.json", _as_json(name, file, done, said))
        _put_in_place(name, folder)
    from ssrl_core.datasets.store import load

    return load(name)


def _as_json(name: str, file: PixelFile, done: _Tabled, said: Metadata) -> dict[str, Any]:
    """`imageset.json`."""
    top = _check_max_value(name, said.max_value() if callable(said.max_value) else said.max_value, file.dtype)
    shape = file.shape or (0, 0, 0)
    return {
        "version": 1,
        "name": name,
        "title": said.title or name,
        "count": file.count,
        "shape": list(shape),
        "dtype": file.dtype,
        "max_value": top,
        "channels": as_json(default_channels(said.channels, shape[0], where=f"image set {name!r}")),
        "pixel_size_um": said.pixel_size_um,
        "label": said.label,
        "classes": list(done.classes),
        "splits": {
            "source": "given" if done.given else "seeded",
            "seed": said.seed,
            "fractions": list(splits.FRACTIONS),
            "group": None if done.given else done.group,
        },
        "fingerprint": fingerprint(file.digest.digest(), done.table, top),
        "source": said.source() if callable(said.source) else said.source,
        "licence": said.licence,
        "citation": said.citation,
        "created_at": stores.utc_now(),
        "skipped": [dict(item) for item in said.skipped],
        **({"understood": dict(said.understood())} if said.understood else {}),
    }


def check_free(name: str) -> None:
    """Raise SpecError if an image set of this name is there and was not made by us under a built-in name."""
    folder = stores.data_root() / name
    shipped = (stores.demo_data_root() / name).is_dir()
    if name in RESERVED or shipped or (folder.exists() and not _is_built_in(folder)):
        raise SpecError.at(
            "image set",
            "name",
            "one that is not taken",
            name,
            (
                "The example has this name; choose another."
                if shipped
                else f"Choose another name, or delete it first: data delete {name}."
            ),
        )


def fingerprint(pixel_digest: bytes, table: pd.DataFrame, max_value: int) -> str:
    """sha256 of pixels, label, split, order and max_value: two image sets that train alike have the same."""
    digest = hashlib.sha256(pixel_digest)
    digest.update(table["label_id"].to_numpy(dtype="<i8").tobytes())
    digest.update("\n".join(table["split"].tolist()).encode())
    digest.update(table["order"].to_numpy(dtype="<i8").tobytes())
    digest.update(str(max_value).encode())
    return digest.hexdigest()


def _chunks(pixels: Array | Iterable[Array]) -> Iterator[Array]:
    if isinstance(pixels, np.ndarray):
        for start in range(0, len(pixels), _CHUNK):
            yield pixels[start : start + _CHUNK]
    else:
        yield from pixels


def _tabled(name: str, given: pd.DataFrame, count: int, said: Metadata) -> _Tabled:
    where, label, group = f"image set {name!r}", said.label, said.group
    if len(given) != count:
        raise DataError.at(where, "the table", f"of {count} rows, one for each image", len(given))
    for field, column in (("label", label), ("group", group)):
        if column is not None and column not in given.columns:
            found = ", ".join(str(c) for c in given.columns if c not in ("source", "split")) or "none"
            raise SpecError.at(where, field, f"a column of the table ({found})", column)
    given = given.reset_index(drop=True)
    label_ids, names = (
        class_ids(given[label], said.classes)
        if label
        else (np.full(count, -1, dtype=np.int64), tuple(said.classes or ()))
    )
    order = splits.seeded_order(count, said.seed)
    known = splits.read_given(given["split"]) if "split" in given.columns else None
    wells = splits.well_names(given) if said.by_well else None
    if known is not None:
        split = splits.complete_given(known, label_ids, order, wells)
    elif group:
        split = splits.by_group(given[group], order)
    else:
        whole = splits.by_well(wells, label_ids, order) if wells is not None and wells.nunique() < count else None
        group = None if whole is None else column_of(given, "well")
        split = splits.stratified(label_ids, order) if whole is None else whole
    own = pd.DataFrame(
        {
            "image_id": np.arange(count, dtype=np.int64),
            "source": given["source"].astype(str) if "source" in given.columns else [f"#{i}" for i in range(count)],
            "split": split,
            "order": order,
            "label_id": label_ids,
        }
    )
    return _Tabled(pd.concat([own, _user_columns(given, known is not None)], axis=1), names, known is not None, group)


def _user_columns(given: pd.DataFrame, split_taken: bool) -> pd.DataFrame:
    """The user's columns; one that has a name of ours travels as `<name>_given`."""
    taken = {"source"} | ({"split"} if split_taken else set())
    kept = given[[c for c in given.columns if c not in taken]].copy()
    kept = kept.rename(columns={c: f"{c}_given" for c in kept.columns if c in OWN_COLUMNS})
    mixed = [column for column, dtype in kept.dtypes.items() if dtype == np.dtype(object)]
    for column in mixed:  # parquet wants one type a column
        kept[column] = kept[column].map(lambda v: None if v is None or v != v else str(v))
    return kept.rename(columns=str)


def _write_table(folder: Path, table: pd.DataFrame) -> None:
    def write(file: Any) -> None:
        table.to_parquet(file, index=False)

    stores.replace(folder / "table.parquet", write)


def _check_max_value(name: str, max_value: int | None, dtype: str) -> int:
    top = 255 if dtype == "uint8" else 65535
    if max_value is None:
        return top
    if isinstance(max_value, bool) or not isinstance(max_value, int | np.integer) or not 1 <= max_value <= top:
        raise SpecError.at(f"image set {name!r}", "max_value", f"a whole number in 1..{top} ({dtype})", max_value)
    return int(max_value)


@contextmanager
def _building(name: str) -> Iterator[Path]:
    """A temporary folder in the store, gone afterwards; what a killed maker of this name left goes too."""
    root = stores.data_root()
    for leftover in root.glob(f".making-{name}.*"):
        shutil.rmtree(leftover, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f".making-{name}.", dir=root))
    try:
        yield folder
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DataError(f"{root}: the disk is full. Make room, or set SSRL_DATA to a larger disk.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put_in_place(name: str, folder: Path) -> None:
    target = stores.data_root() / name
    check_free(name)
    os.chmod(folder, 0o755)
    gone = stores.data_root() / f".gone-{name}-{os.getpid()}"
    if target.exists():
        os.replace(target, gone)
    os.replace(folder, target)
    stores.sync_folder(stores.data_root())
    shutil.rmtree(gone, ignore_errors=True)


def _is_built_in(folder: Path) -> bool:
    if folder.name not in builtin.BUILT_IN:
        return False
    try:
        return stores.read_json(folder / "imageset.json").get("source") == builtin.source_of(folder.name)
    except (DataError, SpecError):
        return False


def _first_reason(skipped: Sequence[Mapping[str, str]]) -> str:
    if not skipped:
        return ""
    shown = some_of((f"{item['file']}: {item['reason']}" for item in skipped), 3, sep="; ")
    return f"Skipped {len(skipped)}: {shown}."
