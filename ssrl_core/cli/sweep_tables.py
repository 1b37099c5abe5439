"""`runs table SWEEP`, `runs sweeps`, `runs diff A B …`, `runs track RUN`: what came out, for tables and tools."""

from __future__ import annotations

import argparse
import string
from pathlib import Path
from typing import Any

from ssrl_core.cli.output import leaf, pair, table


def register(actions: Any) -> None:
    """Add the actions to `runs`."""
    tabled = leaf(
        actions, "table", run=_table, show=_show_table, help="results of all runs of a sweep, as a table or file"
    )
    tabled.add_argument("sweep", metavar="SWEEP", help="id of a sweep (`runs sweeps`)")
    tabled.add_argument("--where", action="append", default=[], metavar="COLUMN=VALUE", help="only these rows")
    tabled.add_argument("--mean", action="store_true", help="mean, sd and n over the seeds")
    tabled.add_argument("--by", action="append", metavar="COLUMN", help="with --mean: what tells the rows apart")
    tabled.add_argument("--classes", action="store_true", help="a row for each class, probe and run")
    tabled.add_argument("--out", type=Path, metavar="FILE", help="write them there (.csv or .parquet)")
    leaf(actions, "sweeps", run=_sweeps, show=_show_sweeps, help="all sweeps, newest first, with their runs counted")
    diff = leaf(actions, "diff", run=_diff, show=_show_diff, help="where the specs of two to eight runs differ")
    diff.add_argument("run_ids", metavar="RUN", nargs="+", help="id of a run, or the beginning of one; two to eight")
    _register_track(actions)


def _register_track(actions: Any) -> None:
    from ssrl_core.exports.tracking import TRACKERS

    track = leaf(actions, "track", run=_track, show=_show_track, help="a run for TensorBoard or MLflow, if installed")
    track.add_argument("run_id", metavar="RUN")
    track.add_argument("--to", choices=TRACKERS, required=True, help="for which of them")
    track.add_argument("--out", type=Path, required=True, metavar="DIR", help="their folder")


def _track(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.exports import tracking
    from ssrl_core.runs.folder.run_folder import RunFolder
    from ssrl_core.runs.queue.finding import find

    return tracking.track(RunFolder(find(args.run_id)), args.to, args.out)


def _show_track(data: dict[str, Any]) -> str:
    return f"{data['out']}: {data['points']} values of {data['run']}"


def _table(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.runs.queue import tables

    found = (tables.classes_table if args.classes else tables.results_table)(args.sweep)
    asked = [pair(text, where="runs table", remedy="Write seed=5.") for text in args.where]
    found = tables.chosen(found, dict(asked))
    if args.mean and not args.classes:
        found = tables.mean_over_seeds(found, args.by)
    if args.out is not None:
        tables.save(found, args.out)
        return {"sweep": args.sweep, "rows": len(found), "out": str(args.out)}
    return {"sweep": args.sweep, "rows": _plain(found)}


def _plain(found: Any) -> list[dict[str, Any]]:
    """Rows as JSON has them: no NaN."""
    return [
        {str(key): None if value != value else value for key, value in row.items()}
        for row in found.astype(object).to_dict("records")
    ]


def _sweeps(args: argparse.Namespace) -> list[dict[str, Any]]:
    from ssrl_core.runs.queue import sweeps

    return sweeps.list_sweeps()


def _diff(args: argparse.Namespace) -> list[dict[str, Any]]:
    from ssrl_core.runs.queue import tables
    from ssrl_core.runs.queue.finding import find

    return tables.differences([find(run_id) for run_id in args.run_ids])


def _show_table(data: dict[str, Any]) -> str:
    if "out" in data:
        return f"{data['out']}: {data['rows']} rows"
    rows = data["rows"]
    return table(rows, list(rows[0]) if rows else [])


def _show_sweeps(rows: list[dict[str, Any]]) -> str:
    return table(rows, ["id", "runs", "done", "running", "queued", "failed", "stopped", "created_at"])


def _show_diff(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "the same"
    if "values" not in rows[0]:
        return table(rows, ["path", "first", "second"])
    letters = string.ascii_uppercase[: len(rows[0]["values"])]
    told = [{"path": row["path"], **dict(zip(letters, row["values"], strict=True))} for row in rows]
    return table(told, ["path", *letters])
