"""Official files: fetched with a time limit, a checksum and going on where a connection was cut, or laid by hand."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ssrl_core.datasets.progress import Report, or_silent
from ssrl_core.errors import DataError

TIMEOUT_S = 15.0
_BLOCK = 1 << 18
_TRIES = 4  # of one address whose connection is cut; each goes on where the last one ended
_NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)


class _Cut(DataError):
    """The connection ended before the file did; what came is kept."""


def fetch(
    urls: Sequence[str], path: Path, *, md5: str = "", sha256: str = "", report: Report | None = None
) -> str | None:
    """Fetch a file from the first mirror that has it.

    What came before a connection was cut is kept beside it as `NAME.part`, and is gone on from, now or another day.

    Args:
        urls: mirrors; a silent server is given up after 15 s.
        path: where to; written under another name until its checksum is right.
        md5, sha256: its checksum, or the beginning of it (torchvision's file names have eight digits).

    Returns:
        None, or why it could not be fetched.
    """
    reasons = []
    for url in urls:
        try:
            _whole(url, path, (md5, sha256), or_silent(report))
            return None
        except DataError as error:
            reasons.append(error.message)
        except http.client.HTTPException as error:
            reasons.append(f"{url}: {error}")
    return "; ".join(reasons)


def cannot_fetch(name: str, files: Sequence[str], folder: Path, why: str) -> DataError:
    """The error of a set that cannot be fetched: which files to lay where."""
    return DataError(
        f'Image set "{name}" cannot be fetched ({why}). Fetch {" and ".join(files)} where there is a network and lay '
        f"{'it' if len(files) == 1 else 'them'} in {folder}, or import the images under this name: "
        f"data import SRC --name {name}.",
        where=f"image set {name!r}",
        field="files",
        rule=f"in {folder}",
        value=list(files),
        remedy=f"Lay {', '.join(files)} in {folder}.",
    )


def has_md5(path: Path, md5: str) -> bool:
    """Whether a file has this checksum."""
    return _digest(path, "md5").startswith(md5)


def _whole(url: str, path: Path, sums: tuple[str, str], report: Report) -> None:
    partial = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for more in reversed(range(_TRIES)):
            try:
                began_at = _on_from(url, partial, path.name, report)
            except _Cut:
                if not more:
                    raise
                continue
            if _is_right(partial, sums):
                os.replace(partial, path)
                return
            partial.unlink()
            if not (began_at and more):  # else what had been kept may have been of another file: once more, all of it
                raise DataError(f"{url}: what came is not the official file (its checksum differs)")
    except OSError as error:
        raise _told(error, url, path) from error


def _on_from(url: str, partial: Path, name: str, report: Report) -> int:
    """Write what is still missing of a file; the number of bytes that were there before."""
    there = partial.stat().st_size if partial.is_file() else 0
    headers = {"User-Agent": "viewloom"} | ({"Range": f"bytes={there}-"} if there else {})
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # there is nothing after what we have: its checksum tells
            return there
        raise
    with answer:
        if getattr(answer, "status", 200) != 206:
            there = 0  # this server sends the whole of it
        _refuse_pages(url, answer)
        total = there + int(answer.headers.get("Content-Length") or 0)
        _refuse_full_disk(partial.parent, total - there, name)
        done = _copy(answer, partial, there, total, f"fetching {name}", report)
    if total > there and done < total:
        raise _Cut(
            f"{url}: the connection was cut after {_mb(done)} of {_mb(total)}. What came is kept in {partial.name}; "
            "try again and it goes on from there"
        )
    return there


def _copy(answer: Any, partial: Path, there: int, total: int, what: str, report: Report) -> int:
    done = there
    with open(partial, "ab" if there else "wb") as out:
        try:
            while block := answer.read(_BLOCK):
                out.write(block)
                done += len(block)
                report(done, total if total > there else 0, what)
        except (TimeoutError, ConnectionError, http.client.IncompleteRead):
            return done
    return done


def _refuse_pages(url: str, answer: Any) -> None:
    kind = str(answer.headers.get("Content-Type") or "")
    if kind.startswith("text/html"):
        raise DataError(
            f"{url}: a web page came instead of the file. A proxy or a login page of the network answers; set "
            "HTTPS_PROXY as your network asks for, or fetch the file by a browser"
        )


def _refuse_full_disk(folder: Path, wanted: int, name: str) -> None:
    free = shutil.disk_usage(folder).free
    if wanted > free:
        raise DataError(f"{name} needs {_mb(wanted)} and {folder} has {_mb(free)} free. Make room, then try again")


def _told(error: OSError, url: str, path: Path) -> Exception:
    if error.errno == errno.ENOSPC:
        return DataError(f"The disk of {path.parent} is full. Make room, then try again; what came is kept")
    if error.errno in _NOT_WRITABLE and not isinstance(error, urllib.error.URLError):
        return DataError(
            f"{path.parent} cannot be written ({error.strerror}). Name a folder that can by SSRL_MODELS and SSRL_DATA"
        )
    return DataError(f"{url}: {getattr(error, 'reason', None) or error}")


def _is_right(path: Path, sums: tuple[str, str]) -> bool:
    kinds = zip(("md5", "sha256"), sums, strict=True)
    return all(_digest(path, kind).startswith(wanted) for kind, wanted in kinds if wanted)


def _digest(path: Path, kind: str) -> str:
    digest = hashlib.new(kind, usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB" if size >= 1e6 else f"{size / 1e3:,.0f} kB"
