"""Official archives: fetched with a time limit and a checksum, or taken from files laid by hand."""

from __future__ import annotations

import hashlib
import http.client
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from ssrl_core.datasets.progress import Report, or_silent
from ssrl_core.errors import DataError

TIMEOUT_S = 15.0
_BLOCK = 1 << 18


def fetch(urls: Sequence[str], path: Path, *, md5: str, report: Report | None = None) -> str | None:
    """Fetch a file from the first mirror that has it.

    Args:
        urls: mirrors, tried once each; a silent server is given up after 15 s.
        path: where to; written under another name until its checksum is right.
        md5: its checksum.

    Returns:
        None, or why it could not be fetched.
    """
    reasons = []
    for url in urls:
        try:
            _fetch_one(url, path, md5, or_silent(report))
            return None
        except DataError as error:
            reasons.append(error.message)
        except (urllib.error.URLError, OSError, ssl.SSLError, http.client.HTTPException) as error:
            reasons.append(f"{url}: {getattr(error, 'reason', None) or error}")
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
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest() == md5


def _fetch_one(url: str, path: Path, md5: str, report: Report) -> None:
    partial = path.with_name(f"{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    request = urllib.request.Request(url, headers={"User-Agent": "viewloom"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer, open(partial, "wb") as out:
            total, done = int(answer.headers.get("Content-Length") or 0), 0
            while block := answer.read(_BLOCK):
                out.write(block)
                done += len(block)
                report(done, total, f"fetching {path.name}")
        if not has_md5(partial, md5):
            raise DataError(f"{url}: what came is not the official file (its checksum differs)")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
