"""The two stores (what training takes, what it leaves), and writing into them without ever leaving half a file.

Nothing is written outside them: `SSRL_DATA` and `SSRL_MODELS` name them, else `data/` and `models/` of the source tree,
else (an installed package) `~/viewloom/`.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Any, BinaryIO
from zipfile import BadZipFile

from ssrl_core.errors import DataError, SpecError, not_written

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SLUG = re.compile(r"^[a-z0-9][a-z0-9_-]{0,79}$")
_DEVICE_NAMES = {"con", "prn", "aux", "nul"} | {f"{d}{i}" for d in ("com", "lpt") for i in range(10)}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_RETRY_S = 2.0
ROOM_BYTES = 50_000_000
_UMASK = os.umask(0)
os.umask(_UMASK)


@cache
def source_root() -> Path | None:
    """The source tree that this package runs from, or None for an installed package."""
    root = Path(__file__).resolve().parent.parent
    return root if (root / "app.py").is_file() else None


def shipped_root() -> Path:
    """What ships beside the library (the example, results of the paper): the source tree, or the app of a wheel."""
    return source_root() or Path(__file__).resolve().parent / "app"


def data_root() -> Path:
    """The store of image sets (created when missing)."""
    return _root("SSRL_DATA", "data")


def models_root() -> Path:
    """The store of runs and weights (created when missing)."""
    return _root("SSRL_MODELS", "models")


def runs_root() -> Path:
    """`models/runs`, one folder a run."""
    return _room(models_root() / "runs")


def demo_root() -> Path:
    """`models/demo` of what ships, wherever the stores are: a read-only example. `SSRL_DEMO` names another."""
    chosen = os.environ.get("SSRL_DEMO")
    return Path(chosen).expanduser().absolute() if chosen else shipped_root() / "models" / "demo"


def demo_data_root() -> Path:
    """`models/demo/data`: the image sets of the example."""
    return demo_root() / "data"


def weights_root() -> Path:
    """`models/weights`, where weights may be laid by hand."""
    return _room(models_root() / "weights")


def downloads_root() -> Path:
    """`data/downloads`, where official archives are fetched to or laid by hand."""
    return _room(data_root() / "downloads")


def compositions_root() -> Path:
    """`models/compositions`, the user's saved compositions (`<slug>.yaml`)."""
    return _room(models_root() / "compositions")


def exports_root() -> Path:
    """`models/exports`, files that were made for other people's tools and can be made again."""
    return _room(models_root() / "exports")


def run_folder(run_id: str) -> Path:
    """Folder of a run: one's own, else the demo run of that name, else where it would be."""
    own = runs_root() / run_id
    demo = demo_root() / run_id
    return demo if demo.is_dir() and not own.is_dir() else own


_CACHES = (("TORCH_HOME", "torch"), ("NUMBA_CACHE_DIR", "numba"), ("MPLCONFIGDIR", "matplotlib"))
COMPILER_CACHES = (("TORCHINDUCTOR_CACHE_DIR", "inductor"), ("TRITON_CACHE_DIR", "triton"))


def prepare_caches(caches: Sequence[tuple[str, str]] = _CACHES) -> None:
    """Send the caches of torch, numba and matplotlib into the store. Call before anything imports them.

    Where the store is read-only or full they go to a temporary folder: numba would fail over a kernel it cannot keep.
    """
    cache = models_root() / "cache"
    for variable, name in caches:
        if variable not in os.environ:
            place = cache if has_room(cache.parent) else Path(tempfile.gettempdir()) / "viewloom-cache"
            os.environ[variable] = str(_made(place / name))


def has_room(folder: Path) -> bool:
    """Whether something can be written there: not read-only, and 50 MB free."""
    return os.access(folder, os.W_OK) and free_bytes(folder) >= ROOM_BYTES


def require_writable(place: Path) -> None:
    """Refuse at once what could not be kept in the end: a file or folder (or the first one above it) is read-only.

    Raises:
        RunError: in a sentence.
    """
    there = next(one for one in (place, *place.parents) if one.exists())
    if not os.access(there, os.W_OK):
        mounted = hasattr(os, "statvfs") and os.statvfs(there).f_flag & os.ST_RDONLY
        error = OSError(errno.EROFS if mounted else errno.EACCES, "not writable", str(there))
        raise not_written(error) or error


class NotKept(UserWarning):
    """What can be made again was not kept: the disk takes nothing."""


@contextmanager
def kept_if_possible(path: Path) -> Iterator[None]:
    """Write what can be made again; a disk that takes nothing is said (`NotKept`), and is no reason to stop."""
    try:
        yield
    except OSError as error:
        if not_written(error) is None:
            raise
        warnings.warn(f"{path}: not kept ({error.strerror})", NotKept, stacklevel=4)


def free_bytes(folder: Path) -> int:
    """Bytes that are free on the disk of a folder; 0 where that cannot be told."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


def can_write(folder: Path, count: int) -> bool:
    """Whether so many bytes could be written there: a quota is not seen in what is free, so they are asked for."""
    if free_bytes(folder) < count:
        return False
    if not hasattr(os, "posix_fallocate"):
        return True
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, count)
    except OSError:
        return False
    return True


def check_slug(text: str, *, where: str, field: str = "name") -> str:
    """`text` if it may name a folder on every system.

    Raises:
        SpecError: otherwise.
    """
    if not isinstance(text, str) or not SLUG.match(text) or text in _DEVICE_NAMES:
        raise SpecError.at(
            where,
            field,
            "lower-case letters, digits, - and _ (at most 80, first a letter or digit; no Windows device name)",
            text,
            "Choose another name, such as " + repr(as_slug(str(text))) + ".",
        )
    return text


def as_slug(text: str, fallback: str = "untitled") -> str:
    """The nearest name that `check_slug` takes."""
    slug = re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")[:80] or fallback
    return f"{slug[:78]}-1" if slug in _DEVICE_NAMES else slug


def utc_now() -> str:
    """Now, UTC, ISO 8601 with `Z`."""
    return utc_text(now())


def now() -> datetime:
    """Now, by this machine's clock, in UTC. A clock may be set: what waits for seconds takes `time.monotonic`."""
    return datetime.fromtimestamp(time.time(), UTC)


def utc_text(moment: datetime) -> str:
    """A moment in UTC as files have it; texts are in the order of their moments."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def replace(path: Path, content: bytes | str | Callable[[BinaryIO], None], *, synced: bool = True) -> None:
    """Write a file whole or not at all: temporary name beside it, fsync, rename, fsync of the folder.

    Args:
        path: the file; its folder is created.
        content: bytes, text (UTF-8, LF) or a function that writes into an open binary file.
        synced: without, nothing waits for the disk: a power cut may cost what was written.

    Raises:
        OSError: a full disk, a missing right, with the file's name; what was there is untouched and nothing is left
            beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            if synced:
                os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_UMASK)
        _rename(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if (refused := _refused(error)) is None:
            raise
        refused.filename = refused.filename or str(path)  # a full disk does not say where it is
        raise refused from None
    if synced:
        sync_folder(path.parent)


def _refused(error: BaseException | None) -> OSError | None:
    """What the disk said, where another library (torch) tells in its own words that it could not go on writing."""
    if error is None or isinstance(error, OSError):
        return error
    found = _refused(error.__context__)
    return found if found is not None and not_written(found) else None


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder survive a power cut, where the system can."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        pass  # some network file systems refuse; the rename itself is done
    finally:
        os.close(handle)


def write_json(path: Path, data: Any) -> None:
    """Write JSON atomically; NaN and infinity are refused (write None and say why in `missing`)."""
    replace(path, json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def csv_text(table: pd.DataFrame) -> str:
    """A table as CSV text (LF, no index) in which nothing is a formula.

    Text that a spreadsheet would run (it begins with = + - @, a tab or a carriage return, and is no number) gets an
    apostrophe in front, in headings too (OWASP, "CSV Injection").
    """
    harmless = table.map(_no_formula).rename(columns=_no_formula)
    return str(harmless.to_csv(index=False, lineterminator="\n"))


def _no_formula(value: Any) -> Any:
    if not isinstance(value, str) or value[:1] not in _FORMULA:
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def read_json(path: Path, *, version: int = 1) -> dict[str, Any]:
    """A JSON file of ours.

    Raises:
        DataError: missing, damaged, or of a newer version.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: the file is missing. Make it again, or restore it.") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{path}: the file cannot be read ({error}). Delete it and make it again.") from error
    if not isinstance(data, dict):
        raise DataError(f"{path}: a JSON object was expected. Delete the file and make it again.")
    check_version(data, str(path), version)
    return data


# what numpy raises over an array or an archive of arrays whose bytes are others: an empty file, sizes that are none …
_OF_HEADS = (OSError, ValueError, EOFError, TypeError, OverflowError, MemoryError, SyntaxError, TokenError, KeyError)
DAMAGED_ARRAY = (*_OF_HEADS, BadZipFile, zlib.error)


def read_array(path: Path, *, remedy: str = "Delete it and make it again.") -> np.ndarray:
    """An array file of ours, whose checksum is compared where the JSON beside it holds one.

    Args:
        remedy: what to do with a damaged one.

    Raises:
        DataError: missing, empty or damaged.
    """
    import numpy as np

    try:
        _compare_checksum(path)
        found: np.ndarray = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError(f"{path}: the file is missing. Make it again, or restore it.") from error
    except DAMAGED_ARRAY as error:
        raise DataError(f"{path}: the file is damaged ({error}). {remedy}") from error
    return found


def checksum_of(path: Path) -> str | None:
    """The checksum that was written beside an array; None where there is none, as in older runs."""
    try:
        said = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # a damaged one is named by who needs it
        return None
    found = said.get("crc32") if isinstance(said, dict) else None
    return found if isinstance(found, str) else None


def _compare_checksum(path: Path) -> None:
    """`ValueError` where the bytes of a file are not those that were written."""
    written = checksum_of(path)
    if written is None:
        return
    found = Checksum()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            found.write(piece)
    if found.text() != written:
        raise ValueError("its bytes are not those that were written")


class Checksum:
    """The CRC-32 of what is written into it, as a file that keeps nothing."""

    def __init__(self) -> None:
        self._sum = 0

    def write(self, piece: Any) -> int:
        """Take in some more bytes."""
        self._sum = zlib.crc32(piece, self._sum)
        return len(piece)

    def text(self) -> str:
        """Eight hexadecimal digits."""
        return f"{self._sum:08x}"


def check_version(data: dict[str, Any], where: str, known: int = 1) -> None:
    """Refuse a file that a newer Viewloom wrote."""
    found = data.get("version", known)
    if not isinstance(found, int) or isinstance(found, bool) or found > known or found < 1:
        raise SpecError.at(where, "version", f"at most {known}", found, "Update Viewloom to read this file.")


def _root(variable: str, name: str) -> Path:
    chosen, source = os.environ.get(variable), source_root()
    own = source / name if source else Path.home() / "viewloom" / name
    folder = Path(chosen).expanduser().absolute() if chosen else own
    try:
        return _made(folder)
    except OSError as error:
        raise DataError(
            f"{folder}: this store cannot be made ({error.strerror}). Say where it may lie: {variable}=FOLDER."
        ) from error


def _made(folder: Path) -> Path:
    if not folder.is_dir():  # asked thousands of times where there are thousands of runs
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def _room(folder: Path) -> Path:
    """A folder of a store, made where it can be: who only reads finds nothing in it, who writes is told."""
    with suppress(OSError):
        if not folder.is_dir():
            folder.mkdir(exist_ok=True)
    return folder


def _rename(temporary: Path, path: Path) -> None:
    deadline = time.monotonic() + _RETRY_S
    while True:
        try:
            os.replace(temporary, path)
            return
        except PermissionError:  # Windows: a reader has it open
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@contextmanager
def held(name: str) -> Iterator[None]:
    """Hold the lock of an image set's name; waits for whoever has it. May be entered again by its holder."""
    import filelock

    folder = data_root() / ".locks"
    folder.mkdir(exist_ok=True)
    with filelock.FileLock(folder / f"{name}.lock", is_singleton=True):
        yield
