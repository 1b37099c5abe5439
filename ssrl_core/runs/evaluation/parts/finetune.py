"""`finetune`: a copy of the network trained on with a share of the labels; once for each share."""

from __future__ import annotations

from ssrl_core.runs.evaluation.parts import Answer, Evaluation
from ssrl_core.runs.evaluation.parts.linear import scored

EPOCHS = 20


def make(evaluation: Evaluation, item: str) -> Answer:
    """As `linear`, and `labels`: how many there were.

    Raises:
        SpecError: the share leaves too few labels.
    """
    from ssrl_core.learning.probes.finetune import fine_tune, labelled_share

    images, share = evaluation.images, float(item)
    predicted = fine_tune(
        evaluation.backbone or evaluation.encoder,
        images.imageset,
        images.bank,
        images.evaluated,
        share=share,
        epochs=EPOCHS,
        seed=evaluation.spec.seed,
        device=evaluation.device,
        report=evaluation.progress,
        show=images.show,
    )
    used = len(labelled_share(images.imageset, images.bank, share))
    return scored(images, predicted, {"mode": "finetune", "epochs": EPOCHS, "labels": used}), {}
