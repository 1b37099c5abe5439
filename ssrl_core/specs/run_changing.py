"""Reading a spec that differs from one that was read already: only what differs is read and checked again.

The ten thousand runs of a sweep differ in one or two parts each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssrl_core.specs.methods import method_row
from ssrl_core.specs.run import RunSpec
from ssrl_core.specs.run_reading import READERS, check_together, read_run

_SHAPES_OTHERS = {"method"}  # the defaults of other parts follow from it


def read_changed(spec: RunSpec, before: Mapping[str, Any], data: Mapping[str, Any], where: str) -> RunSpec:
    """What `RunSpec.from_mapping(data, where)` gives, given that `before` gave `spec`.

    Args:
        data: `before` with other objects in the place of those that changed; what is the same object is the same part.

    Raises:
        SpecError: as `RunSpec.from_mapping`.
    """
    changed = {key for key in data if key not in before or data[key] is not before[key]}
    if changed & _SHAPES_OTHERS or not changed <= READERS.keys() or not spec.is_trained or before.keys() - data.keys():
        return read_run(data, where, None)
    row = method_row(spec.method.name)
    parts = {key: read(data, row, where, None) for key, read in READERS.items() if key in changed}
    made = RunSpec(**{**vars(spec), **parts})
    check_together(made, row, where)
    return made
