"""Whole fields as images: what OME-Zarr gives when images are imported, not cut into cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssrl_core.datasets.cells.field_lists import list_fields
from ssrl_core.datasets.cells.fields import FieldList, UnreadableField, read_field
from ssrl_core.datasets.progress import Report, told
from ssrl_core.datasets.readers.fitting import DEFAULT_SIZE, Fit, fitted
from ssrl_core.datasets.readers.outcome import Outcome
from ssrl_core.errors import DataError

Array = np.ndarray[Any, Any]


def read_whole_fields(path: Path, fit: Fit, label: str | None, report: Report | None) -> Outcome:
    """Every field of a folder or a zip as one image, with its plate, well and site.

    Raises:
        DataError: not one field can be read.
    """
    listed = list_fields(path)
    side = fit.size or _common_side(listed, told(report))
    rows: list[dict[str, Any]] = []
    notes = [*listed.notes, *([f"fitted to {side} px ({fit.way})"] if side else [])]
    return Outcome(
        pixels=_stream(listed, side, fit.way, rows, told(report)),
        table=lambda: pd.DataFrame(rows),
        label=label,
        channels=listed.as_channels(windows=True),
        source=path.name,
        skipped=listed.skipped,
        notes=notes,
    )


def _common_side(listed: FieldList, report: Report) -> int | None:
    """None where all fields are of one size, else the usual side."""
    sizes = Counter[tuple[int, ...]]()
    for done, row in enumerate(listed.fields):
        report(done, len(listed.fields), "looking at fields")
        try:
            sizes[read_field(row).shape[1:]] += 1
        except UnreadableField:
            continue  # it is skipped with its reason when it is read
    return DEFAULT_SIZE if len(sizes) > 1 else None


def _stream(
    listed: FieldList, side: int | None, way: str, rows: list[dict[str, Any]], report: Report
) -> Iterator[Array]:
    kind = ""
    for done, row in enumerate(listed.fields):
        report(done, len(listed.fields), "reading fields")
        try:
            image = read_field(row)
        except UnreadableField as error:
            listed.skipped.append({"file": listed.shown(error.path), "reason": error.reason})
            continue
        kind = kind or image.dtype.name
        if image.dtype.name != kind:
            reason = f"it is {image.dtype} where the first field is {kind}"
            listed.skipped.append({"file": listed.source(row), "reason": reason})
            continue
        rows.append({"source": listed.source(row), **{str(k): v for k, v in row.columns.items()}})
        yield (fitted(image, side, way) if side else image)[None]
    if not rows:
        shown = "; ".join(f"{item['file']}: {item['reason']}" for item in listed.skipped[:3])
        raise DataError(f"{listed.where}: not one field in it can be read ({shown}).")
