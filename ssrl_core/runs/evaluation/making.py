"""Making the parts of a run after it has learnt (`evaluation/parts.py` names them); each is written at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ssrl_core.errors import SpecError
from ssrl_core.runs.evaluation import images as seeing
from ssrl_core.runs.evaluation import measure
from ssrl_core.runs.evaluation.clustering import clusters_of
from ssrl_core.runs.evaluation.images import EvaluationImages, Extractor, Features
from ssrl_core.runs.evaluation.measure import Answer
from ssrl_core.runs.folder.arrays import clusters_file, layout_file, save_array, spread
from ssrl_core.runs.folder.results import Results
from ssrl_core.runs.folder.run_folder import RunFolder

if TYPE_CHECKING:
    from torch import Tensor

    from ssrl_core.learning.backbones.encoder import Encoder


@dataclass(frozen=True)
class Evaluation:
    """A run that has learnt, and what is needed to measure it.

    Attributes:
        ground: the images it is measured on.  seen: their embedding.
        progress: told the share of the present part, 0..1.
    """

    run: RunFolder
    ground: EvaluationImages
    seen: Features
    results: Results
    encoder: Encoder
    device: Any
    progress: Callable[[float], None]

    def put(self, key: str, answer: Answer, *, under: str | None = None) -> None:
        """Write one part into `results.json`."""
        self.results.put(key, answer[0], answer[1], under=under)

    @property
    def bank(self) -> seeing.Rows:
        """Embedding of the train images."""
        return self.seen.of(self.ground.bank)

    @property
    def asked(self) -> seeing.Rows:
        """Embedding of the evaluated images."""
        return self.seen.of(self.ground.asked)


def make(part: str, subject: Evaluation) -> None:
    """Make one part, e.g. `clusters.10`, `knn`, `layouts.tsne`."""
    name, _, which = part.partition(".")
    if name == "clusters":
        _clusters(int(which), subject)
    elif name == "knn":
        subject.put("knn", measure.knn(subject.bank, subject.asked, subject.ground))
    elif name == "linear":
        probe = measure.linear(subject.bank, subject.asked, subject.ground, subject.encoder, subject.device)
        subject.put("linear", probe)
    elif name == "finetune":
        tuned = measure.finetune(float(which), subject.ground, subject.encoder, subject.device, subject.progress)
        subject.put(which, tuned, under="finetune")
    elif name == "references":
        subject.put("references", _references(subject))
    elif name == "view":
        subject.put("view", _view(subject))
    elif name == "layouts":
        _layout(which, subject)


def _clusters(k: int, subject: Evaluation) -> None:
    ground, keep = subject.ground, subject.ground.spec.keep.embedding != "none"
    fitted = np.isin(ground.kept, ground.asked)
    try:
        found = clusters_of(subject.run, subject.seen.of(ground.kept), fitted, k, 0, keep=keep)
    except SpecError as error:
        subject.put(str(k), (None, {"": error.message}), under="clusters")
        return
    own = type(found)(found.ids[fitted], found.centroids, found.inertia, found.sizes, found.k, found.seed)
    file = clusters_file(k, 0) if keep else None
    subject.put(str(k), measure.clusters(subject.asked, own, ground, file), under="clusters")


def _references(subject: Evaluation) -> Answer:
    """{pixels, untrained}: what the same questions give without any learning."""
    return _compare(subject.ground, lambda ids: seeing.whole_images(subject.ground, ids), _unlearnt(subject))


def _view(subject: Evaluation) -> Answer:
    """The same questions about images passed once, with fixed draws, through the composition."""
    lenses = {"own": seeing.encoder_features(subject.encoder, subject.device), **_unlearnt(subject)}
    found, missing = _compare(
        subject.ground, lambda ids: seeing.viewed_images(subject.ground, ids, subject.device), lenses
    )
    own = found.pop("own")
    told = {
        key.removeprefix("own.") if key.startswith("own.") else f"references.{key}": why for key, why in missing.items()
    }
    return {**own, "references": found}, told


def _unlearnt(subject: Evaluation) -> dict[str, Extractor]:
    """The two references: raw pixels, and the network before its first step."""
    from ssrl_core.learning.embedding import untrained_encoder

    untrained = untrained_encoder(subject.ground.spec, subject.ground.imageset)
    return {"pixels": seeing.pixel_features, "untrained": seeing.encoder_features(untrained, subject.device)}


def _compare(
    ground: EvaluationImages, images: Callable[[np.ndarray], Iterator[Tensor]], lenses: dict[str, Extractor]
) -> Answer:
    """{lens: {knn, ami}} of the same images, and what is missing under `lens.key`."""
    bank, asked = (seeing.extract(images(ids), lenses) for ids in (ground.bank, ground.asked))
    found = {name: measure.beside(bank[name], asked[name], ground) for name in lenses}
    missing = {f"{name}.{key}": why for name, (_, told) in found.items() for key, why in told.items()}
    return {name: answer for name, (answer, _) in found.items()}, missing


def _layout(method: str, subject: Evaluation) -> None:
    from ssrl_core.analysis.layouts import compute_layout

    ground = subject.ground
    found = compute_layout(subject.asked, method, seed=0, labels=ground.asked_labels, report=subject.progress)
    params = {**found.params, "fitted_n": len(ground.asked)}
    name = layout_file(method, params)
    rows = np.searchsorted(ground.kept, ground.asked)
    info = {
        "method": method,
        "parameters": params,
        "seconds": round(found.seconds, 3),
        "trustworthiness": found.trustworthiness,
        "neighbour_hit": found.neighbour_hit,
    }
    save_array(subject.run.path / name, spread(found.points, rows, len(ground.kept), empty=np.nan), info)
    subject.put(method, (name, {}), under="layouts")
