"""A run folder, read: everything that a run leaves, typed, whatever is there already.

The folder is the truth, and nothing here writes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssrl_core import stores
from ssrl_core.errors import DataError, RunError, SpecError
from ssrl_core.runs.folder.results import Results
from ssrl_core.runs.folder.state import read_state

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from ssrl_core.datasets.imageset import ImageSet
    from ssrl_core.specs.run import RunSpec

    Layout = tuple[np.ndarray, dict[str, Any]]


def imageset_of(spec: RunSpec) -> ImageSet:
    """The images that a spec names: its channels, its rows (`dataset.where`); ids are those of the whole image set.

    Raises:
        SpecError: there is no such image set, channel or column.
    """
    from ssrl_core.datasets import store as image_sets

    return image_sets.load(spec.dataset.name).select(spec.dataset.channels, dict(spec.dataset.where))


def bank_ids(spec: RunSpec, imageset: ImageSet) -> np.ndarray:
    """(m,) int64: the train images that were trained on; the probes' train images and the bank of kNN are the same."""
    return imageset.split_ids("train", limit_train=spec.limit_train)


def evaluated_split(spec: RunSpec, imageset: ImageSet) -> str:
    """The split that is evaluated: the one asked for, or `all` where that one is empty (two images in all)."""
    return spec.evaluate.split if len(imageset.split_ids(spec.evaluate.split)) else "all"


def evaluated_ids(spec: RunSpec, imageset: ImageSet | None = None) -> np.ndarray:
    """(n,) int64, ascending: images of the evaluated split."""
    imageset = imageset_of(spec) if imageset is None else imageset
    return imageset.split_ids(evaluated_split(spec, imageset))


def kept_ids(spec: RunSpec, imageset: ImageSet) -> np.ndarray:
    """(n,) int64, ascending: images that have a row in the arrays of the run (`keep.embedding`)."""
    return imageset.split_ids("all") if spec.keep.embedding == "all" else evaluated_ids(spec, imageset)


_LAYOUT = re.compile(r"layout_(?P<method>.+?)_(?:like_(?P<like>.+)|[^_]+)")
_METRIC_COLUMNS = ["kind", "step", "epoch", "loss", "terms", "lr", "z_std", "effective_rank", "images_per_s", "time_s"]
_EVENT_COLUMNS = ["split", "knn_top1", "name", "message"]


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run, one's own or a demo run.

    Args:
        id: the run's id, which is its folder's name.
        at: where it is, for a folder outside the store (a person trains it by hand).
    """

    id: str
    at: Path | None = None

    @cached_property
    def path(self) -> Path:
        """Where it is."""
        return self.at or stores.run_folder(self.id)

    @classmethod
    def own(cls, run_id: str) -> RunFolder:
        """The run of this id among one's own, even where a demo run has the same id."""
        return cls(run_id, stores.runs_root() / run_id)

    @property
    def exists(self) -> bool:
        """Whether there is such a folder with a spec."""
        return (self.path / "spec.yaml").is_file()

    @property
    def is_demo(self) -> bool:
        """Whether it ships with the project and must not be changed."""
        return self.path.parent == stores.demo_root()

    def require(self) -> RunFolder:
        """Itself.

        Raises:
            SpecError: no such run; names those that are there.
        """
        if self.exists:
            return self
        known = sorted(entry.name for entry in stores.runs_root().iterdir() if (entry / "spec.yaml").is_file())
        words = f"Run folders here: {', '.join(known[-8:])}." if known else "There are no run folders here yet."
        raise SpecError.at("Run", "id", "a run of this store", self.id, words)

    def spec(self) -> RunSpec:
        """The resolved spec.

        Raises:
            SpecError: no such run, or the file is not a valid spec.
        """
        from ssrl_core.specs.run import load_run

        return load_run(self.require().path / "spec.yaml")

    def state(self) -> dict[str, Any]:
        """`state.json` (C6); a run that has not started yet has the same keys with `state: queued`."""
        return read_state(self.path) | {"id": self.id}

    def results(self) -> Results:
        """`results.json`; empty, and false, while there is none."""
        path = self.path / "results.json"
        return Results.read(path) if path.is_file() else Results()

    def metrics(self) -> pd.DataFrame:
        """`metrics.jsonl` as a table, one row a line, ordered by step; steps repeated after a resume keep the last."""
        import pandas as pd

        table = pd.DataFrame(self._metric_lines(), columns=None)
        table = table.reindex(columns=list(dict.fromkeys([*_METRIC_COLUMNS, *_EVENT_COLUMNS, *table.columns])))
        if table.empty:
            return table
        kept = table.drop_duplicates(["kind", "step", "name"], keep="last")
        return kept.sort_values("step", kind="stable").reset_index(drop=True)

    def log_tail(self, lines: int = 200) -> str:
        """The last lines of `log.txt`, "" while there is none."""
        try:
            with open(self.path / "log.txt", "rb") as file:
                file.seek(0, 2)
                file.seek(max(0, file.tell() - 400 * lines))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def embedding_ids(self) -> np.ndarray:
        """(n,) int64, ascending: the image of each row of every array of this run."""
        return self._array("embedding_ids.npy")

    def embedding(self) -> tuple[np.ndarray, np.ndarray]:
        """Embedding and its images.

        Returns:
            (n, D) float32 before normalisation, (n,) int64 image ids, ascending.

        Raises:
            RunError: not there yet, or not kept; says which.
        """
        return self._array("embedding.npy"), self.embedding_ids()

    def evaluated(self) -> np.ndarray:
        """(n,) bool: which rows belong to the evaluated split (k-means and layouts are fitted on those)."""
        import numpy as np

        return np.isin(self.embedding_ids(), evaluated_ids(self.spec()))

    def layout_files(self, like: str | None = None) -> dict[str, Path]:
        """The newest file of each method: `{method: path}`.

        Args:
            like: instead of the run's own maps, those that began as that run's map of the same method lies.
        """
        found: dict[str, Path] = {}
        for path in sorted(self.path.glob("layout_*.npy"), key=lambda path: path.stat().st_mtime):
            named = _LAYOUT.fullmatch(path.stem)
            if named is not None and named["like"] == like:
                found[named["method"]] = path
        return found

    def layouts(self, like: str | None = None) -> dict[str, Layout]:
        """`{method: (points (n, 2) float32, info)}` of `layout_files`."""
        return {method: self._layout(path) for method, path in self.layout_files(like).items()}

    def layout(self, method: str, like: str | None = None) -> Layout | None:
        """The same of one method, without reading the others; None where there is none."""
        path = self.layout_files(like).get(method)
        return None if path is None else self._layout(path)

    def files(self) -> list[str]:
        """Names of what is in the folder, hidden and temporary ones left out."""
        if not self.path.is_dir():
            return []
        return sorted(entry.name for entry in self.path.iterdir() if not entry.name.startswith("."))

    def _metric_lines(self) -> list[dict[str, Any]]:
        try:
            lines = (self.path / "metrics.jsonl").read_bytes().splitlines()
        except OSError:
            return []
        return [line for line in map(_parsed, lines) if line]

    def _array(self, name: str) -> np.ndarray:
        path = self.path / name
        if not path.is_file():
            raise RunError(self._why_missing(name), where=self.id)
        try:
            return stores.read_array(path, remedy="Delete it and resume the run.")
        except DataError as error:
            raise RunError(str(error), where=self.id) from error

    def _why_missing(self, name: str) -> str:
        self.require()
        state = self.state()["state"]
        if state == "done" and self.spec().keep.embedding == "none":
            remedy = "Ask for the run again with keep: {embedding: test}."
            return f"Run {self.id}: {name} was not kept (keep.embedding: none). {remedy}"
        return f"Run {self.id}: {name} is not there (the run is {state}). Wait until it is done, or resume it."

    def _layout(self, path: Path) -> Layout:
        beside = path.with_suffix(".json")
        return self._array(path.name), stores.read_json(beside) if beside.is_file() else {}


def _parsed(line: bytes) -> dict[str, Any] | None:
    """One metrics line; None for the half line of a run that is writing, or was killed writing."""
    try:
        data = json.loads(line)
    except ValueError:
        return None
    return data if isinstance(data, dict) and "kind" in data and "step" in data else None
