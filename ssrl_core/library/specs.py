"""Specs as a script writes them: plain data in which image sets and compositions may stand as what they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.errors import SpecError
from ssrl_core.specs.composition import Composition
from ssrl_core.specs.run import RunSpec, load_run
from ssrl_core.specs.sweep import SweepSpec, load_sweep


def read_run(spec: str | Path | Mapping[str, Any] | RunSpec) -> RunSpec:
    """The spec of a run.

    Raises:
        SpecError: naming field, rule and remedy.
    """
    if isinstance(spec, RunSpec):
        return spec
    return load_run(plain(spec) if isinstance(spec, Mapping) else spec)


def read_sweep(spec: str | Path | Mapping[str, Any] | SweepSpec) -> SweepSpec:
    """The spec of a sweep.

    Raises:
        SpecError: naming field, rule and remedy.
    """
    if isinstance(spec, SweepSpec):
        return spec
    return SweepSpec.from_mapping(plain(spec)) if isinstance(spec, Mapping) else load_sweep(spec)


def plain(value: Any) -> Any:
    """The same data with names for image sets and mappings for compositions.

    Raises:
        SpecError: some images or channels of an image set, for which a spec has words of its own.
    """
    if isinstance(value, Composition):
        return value.to_mapping()
    if isinstance(value, ImageSet):
        return _name(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def _name(imageset: ImageSet) -> str:
    if type(imageset) is not ImageSet:
        raise SpecError.at(
            "Spec",
            "dataset",
            "a whole image set, or {name, channels, where}",
            f"a selection of {imageset.name}",
            f"Write dataset: {{name: {imageset.name}, where: {{COLUMN: [VALUE]}}}}.",
        )
    return imageset.name
