"""`classes SWEEP | RUN`: the accuracy of each class of every run, one row each (CONTRACTS C10)."""

from __future__ import annotations

import argparse
from typing import Any

from ssrl_core.cli.output import leaf, table
from ssrl_core.errors import SpecError

_SHOWN = ["run", "probe", "class", "n", "correct", "accuracy"]


def register(commands: Any) -> None:
    """Add the command."""
    classes = leaf(
        commands,
        "classes",
        run=_classes,
        show=_show,
        help="accuracy of each class of a run or of every run of a sweep",
    )
    classes.add_argument("of", metavar="SWEEP|RUN", help="id of a sweep, or of a run (the beginning of one will do)")


def _classes(args: argparse.Namespace) -> list[dict[str, Any]]:
    from ssrl_core.runs import sweeps, tables

    try:
        sweeps.members(args.of)
    except SpecError as no_sweep:
        return _of_run(args.of, no_sweep)
    rows = tables.classes_table(args.of).to_dict("records")
    return [{str(name): _plain(value) for name, value in row.items()} for row in rows]


def _of_run(text: str, no_sweep: SpecError) -> list[dict[str, Any]]:
    """Rows of one run.

    Raises:
        SpecError: neither a sweep nor a run.
        RunError: the run has no results yet.
    """
    from ssrl_core.cli.runs import find
    from ssrl_core.errors import RunError
    from ssrl_core.runs.folder import RunFolder

    try:
        run = RunFolder(find(text))
    except SpecError as no_run:
        raise SpecError(f"{no_run.message} {no_sweep.message}", where="classes", value=text) from no_run
    results = run.results()
    if results is None:
        raise RunError(f"Run {run.id} has no results yet (it is {run.state()['state']}).", where=run.id)
    spec = run.spec()
    head = {
        "run": run.id,
        "dataset": spec.dataset.name,
        "backbone": spec.backbone.name,
        "method": spec.method.name,
        "seed": spec.seed,
    }
    return [
        {**head, "probe": probe, "class": name, "superclass": None} | {k: row[k] for k in ("n", "correct", "accuracy")}
        for probe in ("linear", "knn")
        for name, row in ((results.get(probe) or {}).get("classes") or {}).items()
    ]


def _plain(value: Any) -> Any:
    """JSON-able: what pandas made of None, and numpy's numbers."""
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and value != value else value


def _show(rows: list[dict[str, Any]]) -> str:
    varied = [name for name in (rows[0] if rows else {}) if name.startswith("vary.")]
    return (
        table(rows, [_SHOWN[0], *varied, *_SHOWN[1:]])
        if rows
        else "no accuracies of classes: no labels, or no results yet"
    )
