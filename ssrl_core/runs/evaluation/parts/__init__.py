"""Making the parts of a run (`specs.parts` is their table), one file each, and telling which are still missing.

A part's file has `make(evaluation, item) -> Answer`. `item` is what of a list is made ("10" of `clusters.10`), "" for
other parts. A part that leaves files beside `results.json` has `is_kept(run, spec, entry) -> bool` too.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ssrl_core.errors import SpecError
from ssrl_core.runs.evaluation.images import NO_LABELS, EvaluationImages, Features, Rows
from ssrl_core.runs.folder.results import Results, ResultsFile
from ssrl_core.runs.folder.run_folder import RunFolder, evaluated_split, kept_ids
from ssrl_core.specs.parts import PARTS, Part

if TYPE_CHECKING:
    from ssrl_core.datasets.imageset import ImageSet
    from ssrl_core.learning.backbones.encoder import Encoder
    from ssrl_core.specs.run import RunSpec

TRAIN, EMBED = "train", "embed"

Answer = tuple[Any, dict[str, str]]
"""What a part gives to `results.json`, and why what is None in it could not be had: {key in it, "" for all: reason}."""


@dataclass(frozen=True)
class Evaluation:
    """A run that has learnt, and what is needed to measure it.

    Attributes:
        images: the images it is measured on.  features: their embedding.
        encoder: the network that made it.
        progress: told the share of the present part, 0..1.
        backbone: the network that is kept, where heads were embedded too (`evaluate.embed`).
    """

    run: RunFolder
    images: EvaluationImages
    features: Features
    encoder: Encoder
    device: Any
    progress: Callable[[float], None]
    backbone: Encoder | None = None

    @property
    def spec(self) -> RunSpec:
        """What was asked for."""
        return self.images.spec

    @property
    def bank(self) -> Rows:
        """(m, D) embedding of the train images."""
        return self.features.of(self.images.bank)

    @property
    def evaluated(self) -> Rows:
        """(n, D) embedding of the evaluated images."""
        return self.features.of(self.images.evaluated)


def make(name: str, evaluation: Evaluation, results: ResultsFile) -> None:
    """Make one part, e.g. `clusters.10`, `knn`, `layouts.tsne`, and write it into `results.json`.

    Where a part raises SpecError (fewer images than clusters), its words say there why it is missing.
    """
    part, item = _part_of(name)
    if part.needs_labels and evaluation.images.labels is None:
        answer, missing = None, {"": NO_LABELS}
    else:
        try:
            answer, missing = _module(part).make(evaluation, item)
        except SpecError as error:
            answer, missing = None, {"": error.message}
    if item:
        results.put(item, answer, missing, under=part.name)
    else:
        results.put(part.name, answer, missing)


def missing_parts(run: RunFolder, spec: RunSpec, imageset: ImageSet) -> list[str]:
    """Parts that the spec asks for and the folder has not, in the order in which they are made.

    Args:
        imageset: the images that the spec names.

    Returns:
        names such as `train`, `embed`, `clusters.10`, `knn`, `layouts.tsne`; empty when the run is complete. A part
        that cannot be had (no labels) and says so in `missing` counts as there.
    """
    every = [EMBED, *spec.evaluate.asked()]
    if not (run.path / "encoder.safetensors").is_file():
        return [TRAIN, *every]
    results = run.results()
    if not same_images(run, spec, imageset, results):
        return every
    return [name for name in every if not _is_there(run, spec, results, name)]


def same_images(run: RunFolder, spec: RunSpec, imageset: ImageSet, results: Results) -> bool:
    """Whether what was measured was of the images that are asked for now, shown and embedded as they are to be now.

    The arrays have their rows then.
    """
    import numpy as np

    if (results.input, results.embed) != (spec.evaluate.input, spec.evaluate.embed):
        return False
    if results.split != evaluated_split(spec, imageset):
        return False
    if not (run.path / "embedding_ids.npy").is_file():
        return False
    return bool(np.array_equal(run.embedding_ids(), kept_ids(spec, imageset)))


def phase_of(name: str) -> str:
    """The phase in which a part is made: `evaluate` or `layout`."""
    return _part_of(name)[0].phase


def _is_there(run: RunFolder, spec: RunSpec, results: Results, name: str) -> bool:
    if name == EMBED:
        return spec.keep.embedding == "none" or (run.path / "embedding.npy").is_file()
    part, item = _part_of(name)
    if name in results.missing:
        return True
    entry = results.entry(part.name, item)
    if entry is None or not _same_settings(part, spec, results, entry):
        return False
    is_kept = getattr(_module(part), "is_kept", None)
    return is_kept is None or bool(is_kept(run, spec, entry))


def _same_settings(part: Part, spec: RunSpec, results: Results, entry: Any) -> bool:
    """Whether a part was made with the settings that are asked for now, but for those that could not be had."""
    if part.takes != "settings":
        return True
    asked = spec.evaluate.parts[part.name]
    return all(f"{part.name}.{key}" in results.missing or entry.get(key) == value for key, value in asked.items())


def _part_of(name: str) -> tuple[Part, str]:
    part, _, item = name.partition(".")
    return PARTS[part], item


def _module(part: Part) -> Any:
    return importlib.import_module(f"{__name__}.{part.name}")
