"""What `evaluate` asks of a run, added up when the same run is asked for again."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from ssrl_core.specs.parameters import Frozen
from ssrl_core.specs.parts import asked_for

if TYPE_CHECKING:
    from ssrl_core.specs.run import EvaluateChoice, RunSpec


def merged(old: RunSpec, new: RunSpec) -> RunSpec:
    """The old run's spec asking for everything that either asks for.

    Both are the same run (same hash), so they differ only in what is not hashed. A new name, note, tag or device
    replaces the old one; what is kept on disk is the more of both.
    """
    return dataclasses.replace(
        old,
        evaluate=_merged_evaluate(old.evaluate, new.evaluate),
        keep=dataclasses.replace(
            old.keep, embedding=min(old.keep.embedding, new.keep.embedding, key=("all", "test", "none").index)
        ),
        name=new.name or old.name,
        notes=new.notes or old.notes,
        tags=Frozen({**old.tags, **new.tags}),
        device=new.device,
    )


def _merged_evaluate(old: EvaluateChoice, new: EvaluateChoice) -> EvaluateChoice:
    parts = {name: asked_for()[name].merged(old.parts.get(name, asked), asked) for name, asked in new.parts.items()}
    return dataclasses.replace(new, parts=Frozen(parts))
