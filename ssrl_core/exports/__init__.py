"""A run to other people's tools. `EXPORTS` is the table; a format's module is imported when it is used.

A new format `NAME` is its row here and a module (`NAME.py`, or the row's `module`) with `write_NAME(run, out) -> dict`,
which writes the file `out` whole or not at all and returns what is worth telling (rows, keys …), JSON-able. Beside it
there may be `check_NAME(run)`, which raises what `write_NAME` would, as far as that can be told quickly.
"""

from __future__ import annotations

import importlib
import importlib.util
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssrl_core import stores
from ssrl_core.errors import SpecError, SSRLError
from ssrl_core.runs.folder.run_folder import RunFolder


@dataclass(frozen=True)
class ExportRow:
    """A format.

    Attributes:
        title, sentence: what it is, for people.
        suffix: of the file, with its dot.
        needs: packages that are no requirement of Viewloom; asked for when they are missing.
        module: where it is written, if that is not a module of the format's own name.
    """

    title: str
    suffix: str
    sentence: str
    needs: tuple[str, ...] = ()
    module: str = ""


EXPORTS: dict[str, ExportRow] = {
    "safetensors": ExportRow(
        "Encoder, safetensors",
        ".safetensors",
        "The network's weights under torchvision's key names, with the spec in the file's metadata.",
        module="encoder_file",
    ),
    "torchvision": ExportRow(
        "Encoder, torchvision",
        ".pth",
        "The weights as a state dict that torchvision's own network of that name loads.",
        module="encoder_file",
    ),
    "onnx": ExportRow(
        "Encoder, ONNX",
        ".onnx",
        "The network with its normalisation, from images in 0..1 to embeddings, for any ONNX runtime.",
        ("onnx", "onnxscript"),
        module="encoder_file",
    ),
    "card": ExportRow(
        "Model card",
        ".md",
        "What was trained on what, under which transformations, what it reaches, for whom it fails, how to load it.",
    ),
    "h5ad": ExportRow(
        "AnnData",
        ".h5ad",
        "For scanpy: embedding in X, layouts in obsm, groups and all that is known in obs.",
        ("anndata",),
        module="cells",
    ),
    "profiles": ExportRow(
        "Profiles of cells",
        ".csv",
        "For pycytominer: Metadata_ columns, then the embedding, one row a cell (a name in .parquet gives Parquet).",
        module="cells",
    ),
    "wells": ExportRow(
        "Profiles of wells",
        ".csv",
        "The same, one row a well: medians, number of cells, share of each group.",
        module="cells",
    ),
    "parquet": ExportRow(
        "Table with embedding", ".parquet", "Everything of every cell in one Parquet table.", module="cells"
    ),
    "csv": ExportRow(
        "Table", ".csv", "What is known of every cell, its groups and its places on the maps.", module="cells"
    ),
    "positions": ExportRow(
        "Positions",
        ".csv",
        "Where each cell lies in its field, as CellProfiler names it (ObjectNumber, Location_Center_X …).",
        module="cells",
    ),
    "paragraph": ExportRow(
        "Methods paragraph",
        ".md",
        "What one copies into a paper: how it was made, with versions and sources.",
        module="card",
    ),
}


def export(run_id: str, to: str, out: Path) -> dict[str, Any]:
    """Write a run in another format.

    Args:
        run_id: the run.
        to: a row of `EXPORTS`.
        out: the file to write; one that is there is replaced.

    Returns:
        {run, to, out, bytes} and what the format tells.

    Raises:
        SpecError: no such format, run or folder, or a package that is not installed.
        RunError: the run has not what the format needs yet.
    """
    _check_format(to)
    _check_place(out)
    run = RunFolder(run_id).require()
    told: dict[str, Any] = _function("write", to)(run, out)
    return {"run": run.id, "to": to, "out": str(out), "bytes": out.stat().st_size, **told}


def content(run_id: str, to: str) -> bytes:
    """A run in another format, as the bytes of the file; made elsewhere where the store takes nothing.

    Raises:
        SpecError, RunError: as `export`.
    """
    place = stores.exports_root()
    with tempfile.TemporaryDirectory(dir=place if stores.has_room(place) else None) as folder:
        out = Path(folder) / f"{run_id}{EXPORTS[to].suffix}"
        export(run_id, to, out)
        return out.read_bytes()


def refusal(run_id: str, to: str) -> SSRLError | None:
    """Why a run cannot be written in a format, asked without writing it; None where nothing is known against it."""
    try:
        _check_format(to)
        run = RunFolder(run_id).require()
        check = _function("check", to)
        if check is not None:
            check(run)
    except SSRLError as error:
        return error
    return None


def _function(what: str, to: str) -> Any:
    """`write_NAME` or `check_NAME` of a format; None if it has none."""
    return getattr(importlib.import_module(f"{__name__}.{EXPORTS[to].module or to}"), f"{what}_{to}", None)


def _check_format(to: str) -> None:
    if to not in EXPORTS:
        raise SpecError.at("Export", "to", "one of " + ", ".join(EXPORTS), to, "Choose one of them.")
    missing = [name for name in EXPORTS[to].needs if importlib.util.find_spec(name) is None]
    if missing:
        raise SpecError.at(
            "Export", "to", "a format whose packages are installed", to, f"Run: pip install {' '.join(missing)}."
        )


def _check_place(out: Path) -> None:
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise SpecError.at(
            "Export",
            "out",
            "a file in a folder that is there",
            str(out),
            "Name a file." if out.is_dir() else "Make the folder first.",
        )
