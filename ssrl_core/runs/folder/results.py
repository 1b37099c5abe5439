"""`results.json`: what was measured of a run, typed as one reads it, written part after part; and a run's arrays.

Arrays (C9) have rows as `embedding_ids.npy`, and each a JSON file of how it was made, with its checksum, so that bytes
that a disk changed are named, not used (`stores.read_array`).
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssrl_core import stores
from ssrl_core.specs.parts import PARTS, Column, Part, columns

if TYPE_CHECKING:
    import numpy as np

_NO_SECONDS = {"train": None, "embed": None, "evaluate": None, "layout": None}


@dataclass(frozen=True)
class Clusters:
    """A clustering of the evaluated images.

    Attributes:
        ami: agreement with the labels; None without labels.  ami_shuffled: {mean, sd} of shuffled labels.
        sizes: images of each cluster.  file: the array of the ids; None where none is kept.
        scores: these and all others that were measured.
    """

    ami: float | None
    silhouette: float | None
    ami_shuffled: Mapping[str, float] | None
    sizes: tuple[int, ...]
    file: str | None
    scores: Mapping[str, Any]


@dataclass(frozen=True)
class Probe:
    """What a classifier on the embedding (or on a copy of the network) got right.

    Attributes:
        classes: class -> {n, correct, accuracy, low, high}.
        confusion: counts by true class (rows) and predicted class; None where it is not kept.
        settings: all else: k, temperature, mode, epochs, labels.
        pixels: what the same classifier makes of raw pixels; None where it was not tried.
    """

    top1: float
    classes: Mapping[str, Mapping[str, Any]]
    confusion: list[list[int]] | None
    settings: Mapping[str, Any]
    pixels: Probe | None = None


@dataclass(frozen=True)
class Scores:
    """kNN and AMI of one kind of features (raw pixels, the untrained network, views); None where there are none."""

    knn: float | None = None
    ami: float | None = None


@dataclass(frozen=True)
class Results:
    """`results.json` of a run, read; a part that was not made, or could not be, is None or missing from its mapping.

    Attributes:
        data: the file as it is, without what is damaged in it.
        damaged: dotted name of what is not of the type that belongs there -> what it is instead.
    """

    data: Mapping[str, Any] = field(default_factory=dict)
    damaged: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Results:
        """The results in a file.

        Raises:
            DataError: it is no JSON object, or of a newer version.
        """
        damaged: dict[str, str] = {}
        data = sound(stores.read_json(path), _SHAPE, "", damaged)
        finetuned = {f"finetune.{share}": one for share, one in (data.get("finetune") or {}).items()}
        linear = data.get("linear") or {}
        probes = {"knn": data.get("knn"), "linear": linear, "linear.pixels": linear.get("pixels"), **finetuned}
        for name, probe in probes.items():
            _without_damaged_classes(probe or {}, name, damaged)
        return cls(data, damaged)

    def __bool__(self) -> bool:
        return bool(self.data)

    @property
    def split(self) -> str | None:
        """The split that was evaluated."""
        return self.data.get("split")

    @property
    def input(self) -> str:
        """What the network was shown of an image: `whole` or `fixed_steps`."""
        return str(self.data.get("input") or "whole")

    @property
    def embed(self) -> str:
        """Which output of the network was embedded: `backbone`, `head` or `teacher`."""
        return str(self.data.get("embed") or "backbone")

    @property
    def n(self) -> int:
        """Images that were evaluated."""
        return int(self.data.get("n") or 0)

    @property
    def dim(self) -> int:
        """Length of the embedding."""
        return int(self.data.get("dim") or 0)

    @property
    def spec_hash(self) -> str | None:
        """Of the spec that was trained."""
        return self.data.get("spec_hash")

    @property
    def missing(self) -> Mapping[str, str]:
        """Dotted name of what could not be had -> why."""
        return self.data.get("missing") or {}

    @property
    def seconds(self) -> Mapping[str, float | None]:
        """Of each phase."""
        return self.data.get("seconds") or {}

    def entry(self, part: str, item: str = "") -> Any:
        """What the file has of a part, or of an item of it ("10" of `clusters`); None while it is not made."""
        found = self.data.get(part)
        return found if not item or found is None else found.get(item)

    @property
    def counts(self) -> list[int]:
        """Numbers of clusters that were asked for, in their order."""
        return [int(k) for k in self.entry("clusters") or {}]

    @property
    def clusters(self) -> dict[int, Clusters]:
        """Clusterings by their number of clusters, those that could be made."""
        return {int(k): _clusters(found) for k, found in (self.entry("clusters") or {}).items() if found}

    @property
    def knn(self) -> Probe | None:
        """kNN of the evaluated images."""
        return _probe(self.entry("knn"))

    @property
    def linear(self) -> Probe | None:
        """The linear probe."""
        return _probe(self.entry("linear"))

    @property
    def finetune(self) -> dict[str, Probe]:
        """Fine-tuning by the share of the labels, as it is written ("0.1"), those that could be made."""
        made = {share: _probe(found) for share, found in (self.entry("finetune") or {}).items()}
        return {share: probe for share, probe in made.items() if probe is not None}

    @property
    def probes(self) -> dict[str, Probe]:
        """All of them by name: linear, knn, finetune-SHARE; those that could be made."""
        named = {"linear": self.linear, "knn": self.knn} | {f"finetune-{s}": one for s, one in self.finetune.items()}
        return {name: probe for name, probe in named.items() if probe is not None}

    @property
    def view(self) -> Scores:
        """Of images passed once through the composition."""
        return _scores(self.entry("view"))

    def reference(self, name: str, *, of_views: bool = False) -> Scores:
        """Of `pixels` or of the `untrained` network."""
        every = (self.entry("view") or {}).get("references") if of_views else self.entry("references")
        return _scores((every or {}).get(name))

    @property
    def layouts(self) -> Mapping[str, str]:
        """Method -> its file."""
        return self.entry("layouts") or {}

    def columns(self) -> dict[str, float | None]:
        """The numbers that tables of runs show; of a part that was asked for several times, the first."""
        return {column.name: next(iter(_numbers(self, part, column)), None) for part, column in columns()}

    def listed(self) -> dict[str, float | None]:
        """The numbers that the list of all runs shows; of a part that was asked for several times, the largest."""
        every = {column.name: _numbers(self, part, column) for part, column in columns(listed=True)}
        return {name: max((x for x in found if x is not None), default=None) for name, found in every.items()}


def _numbers(results: Results, part: Part, column: Column) -> list[float | None]:
    """The number of a column, once for each time that its part was made."""
    found = results.entry(part.name)
    entries = list((found or {}).values()) if part.takes == "list" else [found]
    return [_deep(entry, column.key) for entry in entries]


def _deep(entry: Any, key: str) -> Any:
    """What stands at a dotted key; None where any of it is not there."""
    for name in key.split("."):
        entry = entry.get(name) if isinstance(entry, Mapping) else None
    return entry


NUMBER, TEXT, MOST = (int, float), (str,), 2.0**63  # SQLite takes no larger whole number
_PROBE = {"top1": NUMBER, "classes": {"*": {"*": NUMBER}}, "confusion": [[NUMBER]]}
_SCORES = {"knn": NUMBER, "ami": NUMBER}
_RANGE = {"value": NUMBER, "low": NUMBER, "high": NUMBER}
_TOLD = {"rows": [{**_RANGE, "name": TEXT, "kind": TEXT, "plain": NUMBER, "pixels": _RANGE}]}
CLUSTERS = {
    **dict.fromkeys(("ami", "silhouette", "ami_arithmetic", "nmi", "ari", "homogeneity", "inertia"), NUMBER),
    "ami_shuffled": {"*": NUMBER},
    "sizes": [NUMBER],
    "file": TEXT,
}
_SCREENED = {"map": {"*": _RANGE}} | dict.fromkeys(("nsc", "nscb", "drop", "replicating", "grit", "plate"), _RANGE)
_SHAPE: dict[str, Any] = {
    "split": TEXT,
    "input": TEXT,
    "embed": TEXT,
    "n": NUMBER,
    "dim": NUMBER,
    "clusters": {"*": CLUSTERS},
    "knn": _PROBE,
    "linear": {**_PROBE, "pixels": _PROBE},
    "finetune": {"*": _PROBE},
    "references": {"*": _SCORES},
    "view": {**_SCORES, "references": {"*": _SCORES}},
    "read": {**_TOLD, "mean": NUMBER},
    "forecast": _TOLD,
    "screen": {**_SCREENED, "corrected": _SCREENED, "cell_count": _SCREENED, "beside": {"*": _SCREENED}},
    "layouts": {"*": TEXT},
    "seconds": {"*": NUMBER},
    "missing": {"*": TEXT},
}


def sound(value: Any, shape: Any, place: str, damaged: dict[str, str]) -> Any:
    """What is of the types that a shape names; the rest is None and told in `damaged`.

    Args:
        shape: types of a value; a mapping of keys ("*": every key) to shapes; a list of the shape of its items.
    """
    if value is None:
        return None
    if isinstance(shape, dict) and isinstance(value, dict):
        shapes = {key: shape[key] if key in shape else shape.get("*") for key in value}
        return {
            key: one if shapes[key] is None else sound(one, shapes[key], f"{place}.{key}".lstrip("."), damaged)
            for key, one in value.items()
        }
    if isinstance(shape, list) and isinstance(value, list):
        return [sound(one, shape[0], f"{place}.{number}", damaged) for number, one in enumerate(value)]
    fits = isinstance(shape, tuple) and isinstance(value, shape) and not isinstance(value, bool)
    if fits and (isinstance(value, str) or abs(value) < MOST):
        return value
    leaf = "a number" if shape == NUMBER else "a text"
    wanted = "keys and values" if isinstance(shape, dict) else "a list" if isinstance(shape, list) else leaf
    damaged[place] = f"must be {wanted}, got {type(value).__name__}."
    return None


def _without_damaged_classes(probe: dict[str, Any], place: str, damaged: dict[str, str]) -> None:
    """Take out classes of which a number is missing, and with them the confusion table, whose rows they are."""
    classes = probe.get("classes") or {}
    bad = [name for name, one in classes.items() if not _is_whole(one or {})]
    for name in bad:
        del classes[name]
        damaged[f"{place}.classes.{name}"] = "must have n, correct, accuracy, low and high, all of them numbers."
    if bad:
        probe["confusion"] = None


def _is_whole(one: Mapping[str, Any]) -> bool:
    """Whether all numbers of a class are there; one without images has no accuracy."""
    counted = one.get("n") is not None and one.get("correct") is not None
    told = None not in (one.get("accuracy"), one.get("low", 0.0), one.get("high", 0.0))  # older ones have no interval
    return counted and (told or one["n"] == 0)


def _clusters(found: Mapping[str, Any]) -> Clusters:
    return Clusters(
        found.get("ami"),
        found.get("silhouette"),
        found.get("ami_shuffled"),
        tuple(found.get("sizes") or ()),
        found.get("file"),
        found,
    )


def _probe(found: Mapping[str, Any] | None) -> Probe | None:
    if not found or found.get("top1") is None:
        return None
    settings = {key: value for key, value in found.items() if key not in ("top1", "classes", "confusion", "pixels")}
    pixels = _probe(found.get("pixels"))
    return Probe(found["top1"], found.get("classes") or {}, found.get("confusion"), settings, pixels)


def _scores(found: Mapping[str, Any] | None) -> Scores:
    return Scores(found.get("knn"), found.get("ami")) if found else Scores()


class ResultsFile:
    """`results.json` while it grows: one part after another, each written as soon as it is there.

    Args:
        folder: the run folder; results that are there already are gone on with.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "results.json"
        self.data: dict[str, Any] = stores.read_json(self._path) if self._path.is_file() else {}

    def begin(self, **head: Any) -> None:
        """State whose results these are: id, spec_hash, split, n, dim."""
        start = {name: copy.copy(part.empty) for name, part in PARTS.items()}
        rest = {"seconds": dict(_NO_SECONDS), "missing": {}}
        self.data = {"version": 1, **head, **start, **rest} | self.data | head
        self.save()

    def put(self, key: str, value: Any, missing: dict[str, str] | None = None, *, under: str | None = None) -> None:
        """Add one part and, for each None in it, the reason; then write the file.

        Args:
            key: e.g. "knn", or "10" with `under="clusters"`.
            missing: key within the part ("" for the part itself) -> why it is None.
        """
        place = self.data if under is None else self.data[under]
        place[key] = clean(value)
        prefix = key if under is None else f"{under}.{key}"
        told = self.data["missing"]
        for name in [name for name in told if name == prefix or name.startswith(f"{prefix}.")]:
            del told[name]
        for name, why in (missing or {}).items():
            told[f"{prefix}.{name}" if name else prefix] = why
        self.save()

    def took(self, phase: str, seconds: float) -> None:
        """Add to the seconds of a phase (an attempt that was cut short counts only what it finished)."""
        self.data["seconds"][phase] = round((self.data["seconds"][phase] or 0.0) + seconds, 3)
        self.save()

    def forget(self) -> None:
        """Drop everything that was measured: the images it was measured on have changed."""
        train = (self.data.get("seconds") or {}).get("train")
        self._path.unlink(missing_ok=True)
        self.data = {"seconds": _NO_SECONDS | {"train": train}} if train else {}

    def save(self) -> None:
        """Write the file, whole or not at all."""
        stores.write_json(self._path, self.data)


def clean(value: Any) -> Any:
    """JSON-able: numbers of numpy as Python's, NaN and infinity as None."""
    if isinstance(value, dict):
        return {str(key): clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    if hasattr(value, "tolist"):
        return clean(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def save_array(path: Path, array: np.ndarray, info: dict[str, Any] | None = None) -> None:
    """Write an array, and before it the JSON beside it, so that no array is ever without its parameters.

    Args:
        info: how it was made; `crc32`, the checksum of the array's file, is put beside it.

    Raises:
        OSError: the disk is full; nothing half-written stays.
    """
    import numpy as np

    beside, checksum = path.with_suffix(".json"), stores.Checksum()
    np.save(checksum, array, allow_pickle=False)
    said = {"version": 1, **clean(info or {}), "crc32": checksum.text()}
    if path.exists() and stores.checksum_of(path) != said["crc32"]:
        path.unlink()  # or a kill before the last line would leave the old numbers with the new checksum
    stores.write_json(beside, said)
    stores.replace(path, lambda file: np.save(file, array, allow_pickle=False))


def clusters_file(k: int, seed: int) -> str:
    """Name of a k-means clustering."""
    return f"clusters_kmeans_k{k}_s{seed}.npy"


def layout_file(method: str, params: dict[str, Any], like: str | None = None) -> str:
    """Name of a layout; its key is made from its parameters, or names the run that it lies like."""
    if like is not None:
        return f"layout_{method}_like_{like}.npy"
    key = hashlib.sha256(json.dumps(clean(params), sort_keys=True).encode()).hexdigest()[:6]
    return f"layout_{method}_{key}.npy"


def spread(values: np.ndarray, rows: np.ndarray, n: int, *, empty: float) -> np.ndarray:
    """Values of some rows in an array for all rows.

    Args:
        values: (m, …).  rows: (m,) row numbers.  n: rows in all.
        empty: what the other rows hold (-1: no cluster, NaN: no place on the map).

    Returns:
        (n, …) of the same type.
    """
    import numpy as np

    full = np.full((n, *values.shape[1:]), empty, dtype=values.dtype)
    full[rows] = values
    return full
