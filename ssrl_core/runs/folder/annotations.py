"""What people say of a run's clusters and images: names, colours, notes, exclusions, tags (C9 `annotations.json`).

Written by the app only, whole or not at all, and never over somebody else's change: a write names the revision that it
was made from, and a stale one is refused.

A selection of images that an address names is written out in it ("3-7.12.40") or, of many images, kept in
`models/selections/` by the hash of its content ("@9f2c41d07ab3").
"""

from __future__ import annotations

import copy
import hashlib
import os
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssrl_core import access, stores
from ssrl_core.analysis.comparison import contingency, matched
from ssrl_core.errors import DataError, RunError, SpecError, SSRLError
from ssrl_core.runs.folder.locks import Lock
from ssrl_core.runs.folder.run_folder import RunFolder

Content = dict[str, Any]
MARKS = ("name", "colour", "note", "excluded")
LONGEST_NAME, LONGEST_NOTE = 80, 2000
_WRITING = threading.Lock()


def path_of(run: RunFolder) -> Path:
    """In the run's folder; of a demo run, which is not written into, in `models/annotations/`."""
    if run.is_demo:
        return stores.models_root() / "annotations" / f"{run.id}.json"
    return run.path / "annotations.json"


def read(run: RunFolder) -> Content:
    """{version, revision, clusters, tags}; revision 0 while nothing was said.

    Raises:
        DataError: the file is damaged.
    """
    path = path_of(run)
    path = path if path.is_file() else run.path / "annotations.json"  # what was said of the example when it was made
    empty: Content = {"version": 1, "revision": 0, "clusters": {}, "tags": []}
    if not path.is_file():
        return empty
    content = empty | stores.read_json(path)
    try:
        _check(content)
    except (SpecError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise DataError(
            f"{path}: this is not what Viewloom wrote ({error}). Restore the file, or delete it."
        ) from error
    return content


def _check(content: Content) -> None:
    """Raises where something is not of its type."""
    if type(content["revision"]) is not int:
        raise ValueError("revision must be a whole number")
    for clusters in content["clusters"].values():
        for number, said in clusters.items():
            int(number)
            for key, value in _known(said).items():
                _checked(key, value)
    for entry in content["tags"]:
        if not isinstance(entry["name"], str) or not all(type(one) is int for one in entry["image_ids"]):
            raise ValueError("a tag must have a name and image_ids, whole numbers")


def change(run: RunFolder, revision: int, edit: Callable[[Content], None]) -> Content:
    """Change what is said and keep it.

    Args:
        revision: of what the change was made from.
        edit: changes the content in place.

    Returns:
        the new content, its revision one higher.

    Raises:
        RunError: somebody changed it meanwhile (`stale`), or deleted the run; the file cannot be written.
    """
    access.require_editor("Naming groups and keeping selections under a name")
    path = path_of(run)
    require_there(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = Lock(path.with_name(f".{path.name}.lock"))
    with _WRITING:
        if not lock.take(timeout_s=5.0):
            raise RunError(f"{path}: another process is writing it. Try again.", where=run.id)
        try:
            return _write(path, read(run), revision, edit, run.id)
        finally:
            lock.give_back()


def require_there(run: RunFolder) -> None:
    """Refuse to say something of a run that is no more: its folder would come back.

    Raises:
        RunError: somebody deleted it.
    """
    if not run.exists:
        raise RunError(f"Run {run.id} was deleted meanwhile, so nothing can be said of it any more.", where=run.id)


def mark(run: RunFolder, revision: int, stem: str, cluster: int, **said: Any) -> Content:
    """Say something of a cluster.

    Args:
        stem: the clustering's file name without `.npy`.
        said: some of name, colour (`#rrggbb` or None), note, excluded.

    Raises:
        SpecError: a name or note that is too long, a colour that is none.
    """
    kept = {key: _checked(key, value) for key, value in said.items()}

    def edit(content: Content) -> None:
        content["clusters"].setdefault(stem, {}).setdefault(str(cluster), {}).update(kept)

    return change(run, revision, edit)


def tag(run: RunFolder, revision: int, name: str, image_ids: list[int]) -> Content:
    """Keep a selection under a name; one of that name is replaced.

    Raises:
        SpecError: no name, or no images.
    """
    name = _checked("name", name)
    if not name or not image_ids:
        what, value = ("name", name) if not name else ("image_ids", image_ids)
        raise SpecError.at("Tag", what, "not empty", value, "Name it, and select images first.")

    def edit(content: Content) -> None:
        content["tags"] = [entry for entry in content["tags"] if entry["name"] != name]
        content["tags"].append({"name": name, "image_ids": sorted(image_ids), "created_at": stores.utc_now()})

    return change(run, revision, edit)


def untag(run: RunFolder, revision: int, name: str) -> Content:
    """Forget a tag."""

    def edit(content: Content) -> None:
        content["tags"] = [entry for entry in content["tags"] if entry["name"] != name]

    return change(run, revision, edit)


def restore(run: RunFolder, revision: int, before: Content) -> Content:
    """Go back to what was said before (undo); it becomes a new revision."""

    def edit(content: Content) -> None:
        content["clusters"], content["tags"] = copy.deepcopy(before["clusters"]), copy.deepcopy(before["tags"])

    return change(run, revision, edit)


def _write(path: Path, content: Content, revision: int, edit: Callable[[Content], None], run_id: str) -> Content:
    if content["revision"] != revision:
        raise RunError(
            f"Run {run_id}: names and tags were changed meanwhile (revision {content['revision']}, yours was made from "
            f"{revision}). Look at them as they are now, then make your change again.",
            where=run_id,
            remedy="Look at them as they are now, then make your change again.",
        )
    edit(content)
    content["revision"] = revision + 1
    stores.write_json(path, content)
    return content


def _checked(key: str, value: Any) -> Any:
    if key not in MARKS:
        raise SpecError.at("Cluster", "mark", f"one of {', '.join(MARKS)}", key)
    if key == "excluded":
        return bool(value)
    if key == "colour":
        import re

        if value is not None and not re.fullmatch(r"#[0-9a-f]{6}", str(value).lower()):
            raise SpecError.at("Cluster", "colour", "#rrggbb", value)
        return None if value is None else str(value).lower()
    text = " ".join(str(value or "").split()) if key == "name" else str(value or "").strip()
    longest = LONGEST_NAME if key == "name" else LONGEST_NOTE
    if len(text) > longest:
        raise SpecError.at("Cluster", key, f"at most {longest} characters", text)
    return text


@dataclass(frozen=True)
class Mark:
    """What is said of a cluster.

    Attributes:
        origin: in words where a name comes from that was given elsewhere, "" for one given here.
        shared: Dice overlap with the cluster that was named, 1 for one named here.
    """

    name: str = ""
    colour: str | None = None
    note: str = ""
    excluded: bool = False
    origin: str = ""
    shared: float = 1.0


@dataclass(frozen=True)
class Clusters:
    """A clustering to be named: `ids` (n,) of `image_ids` (n,) ascending, `stem` its file's name without `.npy`."""

    run: RunFolder
    stem: str
    image_ids: np.ndarray
    ids: np.ndarray


def marks_of(clusters: Clusters, others: list[RunFolder]) -> dict[int, Mark]:
    """What is known of each cluster, given here or carried over.

    Args:
        others: runs on the same images that may have names, the nearest first.

    Returns:
        {cluster: mark}. What was said here wins; then names of other clusterings of this run; then of other runs. A
        name goes to one cluster only, to the one that shares most, if that is at least half (Dice).
    """
    own = read(clusters.run)["clusters"]
    found = {int(c): Mark(**_known(said)) for c, said in own.get(clusters.stem, {}).items()}
    for run in [clusters.run, *others]:
        try:
            named = read(run)["clusters"]
        except SSRLError:
            continue  # a damaged file of another run must not hide this one's clusters
        for stem, said in sorted(named.items()):
            if (run.id, stem) != (clusters.run.id, clusters.stem):
                _carry(found, clusters, run, stem, said)
    return found


def _carry(found: dict[int, Mark], clusters: Clusters, run: RunFolder, stem: str, said: dict[str, Any]) -> None:
    wanted = {
        int(c): known for c, entry in said.items() if (known := _known(entry)).get("name") or known.get("excluded")
    }
    taken = {mark.name for mark in found.values() if mark.name}
    if not any(entry.get("name") not in taken for entry in wanted.values()):
        return
    theirs = _aligned(run, stem, clusters.image_ids)
    if theirs is None:
        return
    pairs = matched(contingency(theirs, clusters.ids))
    for cluster, entry in wanted.items():
        if cluster not in pairs or entry.get("name") in taken:
            continue
        here, overlap = pairs[cluster]
        if here not in found:
            found[here] = Mark(**entry, origin=_origin(run, stem, clusters.run), shared=overlap)


def _aligned(run: RunFolder, stem: str, image_ids: np.ndarray) -> np.ndarray | None:
    """(n,) cluster of each of these images in another clustering, -1 where it has none; None where it is gone."""
    path = run.path / f"{stem}.npy"
    try:
        ids, images = stores.read_array(path), run.embedding_ids()
    except SSRLError:
        return None
    if len(ids) != len(images) or not len(ids):
        return None
    at = np.minimum(np.searchsorted(images, image_ids), len(images) - 1)
    return np.where(images[at] == image_ids, ids[at], -1)


def _known(said: dict[str, Any]) -> dict[str, Any]:
    return {key: said[key] for key in MARKS if key in said}


def _origin(run: RunFolder, stem: str, here: RunFolder) -> str:
    parts = stem.split("_")
    which = f"k = {parts[2][1:]}" if len(parts) > 2 and parts[1] == "kmeans" else stem.removeprefix("clusters_")
    return which if run.id == here.id else f"{which} of {run.id}"


Ids = NDArray[np.int64]

LONGEST = 600  # characters that an address takes; longer selections are kept
MOST_KEPT = 500
_FOLDER = "selections"
_WRITTEN = re.compile(r"\d{1,12}(-\d{1,12})?(\.\d{1,12}(-\d{1,12})?)*")


def selection_written(image_ids: Ids) -> str:
    """Images as text, the runs among them from-to.

    Args:
        image_ids: (m,) ascending.
    """
    ids = np.asarray(image_ids, np.int64)
    if not len(ids):
        return ""
    ends = np.flatnonzero(np.diff(ids) != 1)
    firsts, lasts = ids[np.r_[0, ends + 1]], ids[np.r_[ends, len(ids) - 1]]
    return ".".join(f"{a}" if a == b else f"{a}-{b}" for a, b in zip(firsts, lasts, strict=True))


def selection_name(image_ids: Ids) -> str:
    """What an address says for a selection: the images themselves, or the name that it is kept under from now on.

    Returns:
        "" where it is too long for an address and cannot be kept (a full disk, a store that is read only).
    """
    ids = np.asarray(image_ids, np.int64)
    ends = int((np.diff(ids) != 1).sum()) + 1 if len(ids) else 0
    if ends <= LONGEST:
        text = selection_written(ids)
        if len(text) <= LONGEST:
            return text
    try:
        return "@" + _keep(ids)
    except OSError:
        return ""


def read_selection(name: str, most: int) -> Ids:
    """The images of an address, ascending.

    Args:
        most: images that there are; those beyond are left out.

    Raises:
        SpecError: it names none.
        DataError: the kept selection is not here, or damaged.
    """
    if name.startswith("@"):
        return _kept(name[1:], most)
    if not _WRITTEN.fullmatch(name):
        rule = "images as in 3-7.12, or @ and the name of a kept selection"
        raise SpecError.at("Address", "sel", rule, name[:80])
    chosen = np.zeros(most, bool)
    for part in name.split("."):
        first, _, last = part.partition("-")
        chosen[int(first) : int(last or first) + 1] = True
    return np.flatnonzero(chosen).astype(np.int64)


def _keep(ids: Ids) -> str:
    """Write it down, once; those that were not named for longest go when there are more than 500."""
    chosen = np.zeros(int(ids[-1]) + 1, bool)
    chosen[ids] = True
    bits = np.packbits(chosen, bitorder="little")
    name = hashlib.sha256(bits.tobytes()).hexdigest()[:12]
    folder = stores.models_root() / _FOLDER
    path = folder / f"{name}.npy"
    if path.is_file():
        with suppress(OSError):
            os.utime(path)
        return name
    stores.replace(path, lambda file: np.save(file, bits, allow_pickle=False))
    for old in sorted(folder.glob("*.npy"), key=_named_last)[:-MOST_KEPT]:
        if old != path:  # where the clock was set back, the newest looks oldest
            with suppress(OSError):
                old.unlink()
    return name


def _named_last(path: Path) -> float:
    """When it was named last; one that somebody else took away meanwhile counts as the oldest."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _kept(name: str, most: int) -> Ids:
    path = stores.models_root() / _FOLDER / f"{name}.npy"
    if not re.fullmatch(r"[0-9a-f]{12}", name) or not path.is_file():
        raise DataError.at(
            "Address",
            "sel",
            "a selection that is kept in this store",
            f"@{name[:40]}",
            "An address of many images holds in the store it was made in; a tag keeps them with their run.",
        )
    try:
        bits = np.load(path, allow_pickle=False)
        if bits.dtype != np.uint8 or bits.ndim != 1:
            raise ValueError(f"{bits.dtype} numbers of shape {bits.shape}")
    except stores.DAMAGED_ARRAY as error:
        raise DataError.at(str(path), "selection", "readable", str(error)) from error
    return np.flatnonzero(np.unpackbits(bits, bitorder="little")[:most]).astype(np.int64)
