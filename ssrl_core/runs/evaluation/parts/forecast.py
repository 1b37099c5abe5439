"""`forecast`: what was to be expected of the composition before any training, kept beside what came of it."""

from __future__ import annotations

from ssrl_core.forecast import forecast
from ssrl_core.runs.evaluation.parts import Answer, Evaluation


def make(evaluation: Evaluation, item: str = "") -> Answer:
    """{bank, images, views, input, rows: [{name, kind, value, low, high, plain}], clusters, seconds}.

    The forecast of the run's own terms on its own images, shown as the run shows them, at the forecast's own settings.

    Raises:
        SpecError: too few images.
    """
    spec, images = evaluation.spec, evaluation.images
    found = forecast(
        images.imageset, spec.terms, seed=spec.seed, input=spec.evaluate.input, progress=evaluation.progress
    )
    told = found.to_json()
    kept = ("name", "kind", "value", "low", "high", "plain")
    rows = [{key: row[key] for key in kept} for row in told["kept"]]
    head = {key: told[key] for key in ("bank", "images", "views", "clusters", "seconds")}
    return {**head, "input": spec.evaluate.input, "rows": rows}, {}
