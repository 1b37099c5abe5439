"""`view`: kNN and clusters of images passed once, with fixed draws, through the composition, beside the references."""

from __future__ import annotations

from ssrl_core.runs.evaluation.images import encoder_features, pixel_features, solved_features
from ssrl_core.runs.evaluation.parts import Answer, Evaluation
from ssrl_core.runs.evaluation.parts.references import measured, unlearnt


def make(evaluation: Evaluation, item: str = "") -> Answer:
    """{knn, ami, references: {pixels, untrained: {knn, ami}}}."""
    images, device = evaluation.images, evaluation.device
    if evaluation.spec.is_solved:
        extractors = {"pixels": pixel_features, **solved_features(evaluation.encoder, device)}
    else:
        extractors = {"own": encoder_features(evaluation.encoder, device), **unlearnt(evaluation)}
    found, missing = measured(images, lambda ids: images.views(ids, device), extractors)
    own = found.pop("own")
    told = {
        key.removeprefix("own.") if key.startswith("own.") else f"references.{key}": why for key, why in missing.items()
    }
    return {**own, "references": found}, told
