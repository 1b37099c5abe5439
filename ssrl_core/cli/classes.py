"""`classes SWEEP | RUN | FILE`: the accuracy of each class, and what a transformation's parameter does to it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssrl_core.cli.output import leaf, say_torn, table, to_stderr
from ssrl_core.errors import DataError, RunError, SpecError

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = ["run", "probe", "class", "n", "correct", "accuracy"]
_SUMMARY = {
    "methods": ["backbone", "method", "probe", "mean", "sd", "values", "of", "sd_seeds"],
    "ratios": [
        "method",
        "probe",
        "n",
        "classes",
        "opposite",
        "ratio",
        "opposite_corrected",
        "opposite_bh",
        "pairs_opposite",
    ],
    "floors": ["method", "probe", "floor", "ratio", "ratio_mean", "ratio_p", "ratio_corrected", "ratio_corrected_p"],
    "opposed": ["method", "first", "second", "n", "pearson", "pearson_p", "kendall", "spearman", "covariance"],
    "shared": ["at_least", "of", "classes", "tested", "expected"],
    "probes": ["method", "opposite_first", "opposite_second", "opposite_both", "match", "match_by_chance"],
    "superclasses": ["method", "for", "x", "gain", "low", "high", "winners", "losers", "worst", "worst_change"],
    "properties": ["method", "property", "column", "test", "statistic", "p", "effect", "n", "groups"],
    "trade_off": ["method", "x", "score", "change", "low", "high", "on_front", "front_share"],
    "reasons": ["method", "probe", "class", "value", "reason"],
}


def register(commands: Any) -> None:
    """Add the command."""
    classes = leaf(
        commands,
        "classes",
        run=_classes,
        show=_show,
        help="accuracy of each class of a sweep, and which classes win and lose as its parameter moves",
        description="One row for each class of every run; with --statistics (always for a file) what the parameter "
        "does to the classes: curves, opposite pairs with both floors, behaviours, superclasses, the trade-off.",
    )
    classes.add_argument(
        "of", metavar="SWEEP|RUN|FILE", help="id of a sweep or of a run, or a classes table (.csv, .tsv, .parquet)"
    )
    classes.add_argument("--statistics", action="store_true", help="the statistics instead of the rows")
    classes.add_argument(
        "--x",
        metavar="PARAMETER",
        action="append",
        help="what varies: a path, or its end (default: the only one); several times to look at several",
    )
    classes.add_argument("--points", default="means", metavar="KIND", help="means over seeds (default), or runs")
    classes.add_argument(
        "--draws", type=int, default=200, metavar="N", help="permutations of each floor (default: 200)"
    )
    classes.add_argument("--superclasses", metavar="FILE", help="a table with the columns class and superclass")
    classes.add_argument(
        "--properties", metavar="IMAGESET", help="test properties of the classes of an image set against behaviour"
    )
    classes.add_argument(
        "--features", metavar="F", help="features of the properties: a run, vgg16, resnet18 (default: none)"
    )
    classes.add_argument(
        "--weight",
        action="append",
        default=[],
        metavar="CLASS=W",
        help="a class or superclass of the trade-off and how much it matters; once for each",
    )


def _classes(args: argparse.Namespace) -> Any:
    from ssrl_core.analysis.bias.reading import SUFFIXES

    asked = args.statistics or args.x or args.weight or args.superclasses or args.properties
    if Path(args.of).suffix.lower() in SUFFIXES:
        return _statistics(args, _of_file(Path(args.of)))
    found = _of_store(args.of)
    say_torn(map(str, found.get("dataset", ())))
    return _statistics(args, found) if asked else _records(found)


def _of_file(path: Path) -> pd.DataFrame:
    from ssrl_core.analysis.bias.reading import read_classes

    return read_classes(_bytes(path), path.name)


def _of_store(text: str) -> pd.DataFrame:
    """Rows of a sweep, or of one run."""
    from ssrl_core.runs.queue import sweeps, tables

    try:
        sweeps.members(text)
    except SpecError as no_sweep:
        return _of_run(text, no_sweep)
    return tables.classes_table(text)


def _of_run(text: str, no_sweep: SpecError) -> pd.DataFrame:
    """Rows of one run.

    Raises:
        SpecError: neither a sweep nor a run.
        RunError: the run has no results yet.
    """

    from ssrl_core.runs.folder.run_folder import RunFolder
    from ssrl_core.runs.queue.run_names import find
    from ssrl_core.runs.queue.tables import class_frame

    try:
        run = RunFolder(find(text))
    except SpecError as no_run:
        raise SpecError(f"{no_run.message} {no_sweep.message}", where="classes", value=text) from no_run
    results = run.results()
    if not results:
        raise RunError(f"Run {run.id} has no results yet (it is {run.state()['state']}).", where=run.id)
    spec = run.spec()
    head = {
        "run": run.id,
        "dataset": spec.dataset.name,
        "backbone": spec.backbone.name,
        "method": spec.method.name,
        "seed": spec.seed,
    }
    return class_frame([(head, results)])


def _statistics(args: argparse.Namespace, rows: pd.DataFrame) -> dict[str, Any]:
    """Every statistic as plain data, each table as a list of rows."""
    from ssrl_core.analysis.bias.correlation import Rule
    from ssrl_core.analysis.bias.full_report import statistics
    from ssrl_core.analysis.bias.sentences import DEFINITIONS

    x = [_only_parameter(rows)] if not args.x else args.x
    if args.draws < 0:
        raise SpecError.at("classes", "draws", "0 or more", args.draws)
    found = statistics(
        rows,
        x[0] if len(x) == 1 else x,
        rule=Rule(points=args.points),
        draws=args.draws,
        superclasses=_superclasses(args.superclasses),
        weights=_weights(args.weight),
        report=_report,
    )
    found["properties"], found["class_properties"] = _properties(args, found["behaviours"])
    tables = {name: part if isinstance(part, list) else _records(part) for name, part in found.items()}
    head = {"of": args.of, "x": ", ".join(x), "points": args.points, "draws": args.draws, "rows": len(rows)}
    return {**head, **tables, "definitions": DEFINITIONS}


def _properties(args: argparse.Namespace, behaviours: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tests of the properties of the classes against their behaviour, and the properties; empty where not asked for."""
    import pandas as pd

    if not args.properties:
        return pd.DataFrame(), pd.DataFrame()
    from ssrl_core.analysis.properties import against_behaviour
    from ssrl_core.runs.evaluation import descriptors

    measured = descriptors.measure(args.properties, args.features)
    return against_behaviour(measured, behaviours), measured


def _only_parameter(rows: pd.DataFrame) -> str:
    from ssrl_core.analysis.bias.reading import parameters

    names = parameters(rows) if len(rows) else []
    if len(names) == 1:
        return names[0]
    remedy = "Nothing varies here, or there are no results yet."
    if names:
        remedy = f"Name one or more with --x: {', '.join(names)}."
    raise SpecError.at("classes", "x", "named where there is not exactly one", names, remedy)


def _superclasses(file: str | None) -> dict[str, str] | None:
    from ssrl_core.analysis.bias.full_report import read_superclasses
    from ssrl_core.analysis.bias.reading import read_table

    return None if file is None else read_superclasses(read_table(_bytes(Path(file)), Path(file).name))


def _weights(texts: list[str]) -> dict[str, float]:
    weights = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            weights[name or number] = float(number) if name else 1.0
        except ValueError as error:
            raise SpecError.at("classes", "weight", "CLASS=NUMBER", text, "Write --weight caterpillar=2.") from error
    return weights


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError.at(str(path), "file", "one that can be read", error.strerror, "Check the path.") from error


def _report(done: int, total: int) -> None:
    if done == total or done % max(1, total // 10) < 2:
        to_stderr(f"floors {done}/{total}")


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): _plain(value) for name, value in row.items()} for row in frame.to_dict("records")]


def _plain(value: Any) -> Any:
    """JSON-able: what pandas made of None, numpy's numbers, lists; infinity is None."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and value - value != 0 else value


def _show(data: Any) -> str:
    if isinstance(data, dict):
        return "\n\n".join(_parts(data))
    if not data:
        return "no accuracies of classes: no labels, or no results yet"
    varied = [name for name in data[0] if name.startswith("vary.")]
    return table(data, [_SHOWN[0], *varied, *_SHOWN[1:]])


def _parts(data: dict[str, Any]) -> list[str]:
    parts = [f"{data['of']} over {data['x']}: {data['rows']} rows", *data["sentences"]]
    for name, columns in _SUMMARY.items():
        rows = data[name]
        if rows:
            parts.append(f"{name}\n{table(rows, [c for c in columns if c in rows[0]])}")
    return parts
