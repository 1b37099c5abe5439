"""`runs`: what there is, log, tables, stopping and going on, the order of the queue; `export`: to others' tools."""

from __future__ import annotations

import argparse
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ssrl_core.cli.output import add_run, leaf, pair, say_torn, table, to_stderr
from ssrl_core.specs.parts import columns

_LISTED = ("id", "name", "state", "wanted", "phase", "progress", "eta_s", "dataset", "method", "backbone", "seed")
_SHOWN = ("id", "state", "phase", "progress", "dataset", "method", "backbone", "seed")
_STATES = ("queued", "submitted", "running", "done", "failed", "stopped")


def register(commands: Any) -> None:
    """Add the commands."""
    runs = commands.add_parser("runs", help="list, show, stop, resume, delete runs; order the queue")
    actions = runs.add_subparsers(required=True, metavar="ACTION")
    many = "; with --sweep: of all its runs"
    listing = leaf(actions, "list", run=_list, show=_show_list, help="all runs, newest first, then demo runs")
    listing.add_argument("--sweep", metavar="SWEEP", help="only those of a sweep")
    listing.add_argument("--state", choices=_STATES, help="only those in this state")
    listing.add_argument(
        "--search", metavar="TEXT", default="", help="only those that hold every word; seed:5 is that very seed"
    )
    show = leaf(actions, "show", run=_show, show=_show_one, help="state, spec, results and files of a run")
    log = leaf(actions, "log", run=_log, show=lambda data: "\n".join(data["lines"]), help="what a run said")
    log.add_argument("--search", metavar="TEXT", default="", help="only lines that hold this text")
    checked = leaf(actions, "check", run=_check, show=_show_check, help="what is damaged in run folders")
    checked.add_argument("run_ids", metavar="RUN", nargs="*", help="ids, or their beginnings (default: every run)")
    stop = leaf(actions, "stop", run=_stop, show=_show_state, help=f"stop a run after a checkpoint{many}")
    stop.add_argument("--wait", action="store_true", help="wait until it has stopped")
    resume = leaf(actions, "resume", run=_resume, show=_show_state, help=f"go on with a stopped or failed run{many}")
    resume.add_argument("--failed", action="store_true", help="with --sweep: only those that failed")
    resume.add_argument("--no-start", action="store_true", help="only queue it; start no coordinator")
    delete = leaf(actions, "delete", run=_delete, show=_show_state, help=f"delete a run and its folder{many}")
    first = leaf(actions, "first", run=_first, show=_show_count, help=f"put a waiting run before all others{many}")
    priority = leaf(actions, "priority", run=_priority, show=_show_count, help="give waiting runs another priority")
    priority.add_argument("priority", type=int, metavar="N", help="higher goes first (0 is usual)")
    for parser in (show, log):
        add_run(parser)
    for parser in (stop, resume, delete, first, priority):
        parser.add_argument("run_id", metavar="RUN", nargs="?", help="id of a run, or the beginning of one")
        parser.add_argument("--sweep", metavar="SWEEP", help="all runs of this sweep instead")
    register_tables(actions)
    leaf(actions, "pause", run=_pause, show=_show_paused, help="start no more runs; what runs goes on")
    go = leaf(actions, "go", run=_go, show=_show_paused, help="go on starting runs")
    go.add_argument("--no-start", action="store_true", help="start no coordinator")


def _list(args: argparse.Namespace) -> list[dict[str, Any]]:
    from ssrl_core.runs.queue import registry, run_names, stopping

    rows = run_names.chosen(registry.list_runs(demo=not args.sweep), args.search)
    if args.sweep:
        members = set(stopping.of_sweep(args.sweep))
        rows = [row for row in rows if row["id"] in members]
    if args.state:
        rows = [row for row in rows if row["state"] == args.state]
    say_torn(str(row["dataset"]) for row in rows if row["state"] == "done")
    return [_listed(row) for row in rows]


def _listed(row: Any) -> dict[str, Any]:
    from ssrl_core.runs.queue.registry import verdict_of

    more = {"sweep": row["sweep_id"], "lost": row["lost"], "verdict": verdict_of(row)}
    return {name: row.get(name) for name in (*_LISTED, *_numbers())} | more


def _show_list(rows: list[dict[str, Any]]) -> str:
    return table(rows, [*_SHOWN, *_numbers(), "verdict"])


def _numbers() -> list[str]:
    """The numbers of runs that a list shows."""
    return [column.name for _, column in columns(listed=True)]


def _show(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.datasets.store import torn_words
    from ssrl_core.runs.folder.run_folder import RunFolder
    from ssrl_core.runs.queue.run_names import find, spec_of

    run = RunFolder(find(args.run_id))
    spec = spec_of(run)  # a queued run of an older store has no folder
    return {
        "state": state_of(run.id),
        "spec": spec.to_mapping(),
        "results": run.results().data or None,
        "files": run.files(),
        "torn": torn_words(spec.dataset.name),
    }


def _check(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.runs.folder.checking import damages
    from ssrl_core.runs.folder.run_folder import RunFolder
    from ssrl_core.runs.queue import registry
    from ssrl_core.runs.queue.run_names import find

    ids = [find(text) for text in args.run_ids] or [row["id"] for row in registry.list_runs()]
    found = []
    for number, run_id in enumerate(ids):
        if number % 10 == 9:
            to_stderr(f"{number + 1} of {len(ids)} runs")
        found += [{"run": run_id, "file": one.file, "what": one.what} for one in damages(RunFolder(run_id))]
    return {"runs": len(ids), "damaged": found}


def _show_check(data: dict[str, Any]) -> str:
    if data["damaged"]:
        return table(data["damaged"], ["run", "file", "what"])
    return f"{data['runs']} run{'' if data['runs'] == 1 else 's'}: nothing is damaged"


def _log(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.runs.folder.run_folder import RunFolder
    from ssrl_core.runs.queue.run_names import find

    run = RunFolder(find(args.run_id))
    said = run.log_tail(100_000).splitlines()
    wanted = args.search.casefold()
    return {"id": run.id, "lines": [line for line in said if wanted in line.casefold()]}


def _stop(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.runs.queue import stopping, submitting

    if args.sweep:
        members = _members(args)
        count = stopping.stop_all(members)
        for run_id in members if args.wait else []:
            submitting.wait(run_id)
        return {"sweep": args.sweep, "state": "stopped", "count": count}
    run_id = _one(args)
    state = stopping.stop(run_id)
    return {"id": run_id, "state": submitting.wait(run_id) if args.wait else state}


def _resume(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.runs.queue import stopping

    if args.sweep:
        count = stopping.resume_all(_members(args), failed_only=args.failed, start=not args.no_start)
        return {"sweep": args.sweep, "state": "queued", "count": count}
    run_id = _one(args)
    return {"id": run_id, "state": stopping.resume(run_id, start=not args.no_start)}


def _delete(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.errors import RunError
    from ssrl_core.runs.queue import stopping

    if args.sweep:
        _members(args)
        count, troubles = stopping.delete_sweep(args.sweep)
        if troubles:
            raise RunError(f"{count} runs were deleted, {len(troubles)} were not: {troubles[0]}", where=args.sweep)
        return {"sweep": args.sweep, "state": "deleted", "count": count}
    run_id = _one(args)
    to_stderr(f"deleting {run_id} …")
    stopping.delete(run_id)
    return {"id": run_id, "state": "deleted"}


def _first(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.runs.queue import ordering

    return {"count": ordering.to_the_front(_members(args) if args.sweep else [_one(args)])}


def _priority(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.runs.queue import ordering

    ids = _members(args) if args.sweep else [_one(args)]
    return {"count": ordering.set_priority(ids, args.priority)}


def _pause(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.runs.queue import ordering

    ordering.pause()
    return {"paused": True}


def _go(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.runs.queue import ordering, processes, registry

    ordering.unpause()
    if not args.no_start and registry.counts().get("queued"):
        processes.start_coordinator()
    return {"paused": False}


def _one(args: argparse.Namespace) -> str:
    """The run that is named.

    Raises:
        SpecError: neither a run nor a sweep is named.
    """
    from ssrl_core.errors import SpecError
    from ssrl_core.runs.queue.run_names import find

    if not args.run_id:
        raise SpecError.at("runs", "RUN", "named", None, "Name a run, or --sweep SWEEP.")
    return find(args.run_id)


def _members(args: argparse.Namespace) -> list[str]:
    from ssrl_core.errors import SpecError
    from ssrl_core.runs.queue import stopping

    if args.run_id:
        raise SpecError.at("runs", "RUN", "left out with --sweep", args.run_id, "Name one of the two.")
    return stopping.of_sweep(args.sweep)


def state_of(run_id: str) -> dict[str, Any]:
    """`state.json` of a run with what the registry knows better: state, wanted, reason, whether it is lost."""
    from ssrl_core.runs.folder.run_folder import RunFolder
    from ssrl_core.runs.queue import registry

    row: Mapping[str, Any] = next((row for row in registry.list_runs() if row["id"] == run_id), {})
    names = ("state", "wanted", "reason", "waits_for", "lost", "worker", "priority", "created_at", "finished_at")
    return RunFolder(run_id).state() | {name: row[name] for name in names if name in row}


def _show_state(data: dict[str, Any]) -> str:
    return (
        f"{data['id']}: {data['state']}" if "id" in data else f"{data['sweep']}: {data['count']} runs {data['state']}"
    )


def _show_count(data: dict[str, Any]) -> str:
    return f"{data['count']} waiting run{'' if data['count'] == 1 else 's'} moved"


def _show_paused(data: dict[str, Any]) -> str:
    return "the queue is paused" if data["paused"] else "the queue goes on"


def _show_one(data: dict[str, Any]) -> str:
    from ssrl_core.specs.yaml_files import dump_yaml

    state = {name: value for name, value in data["state"].items() if value is not None}
    parts = [dump_yaml({"state": state}), dump_yaml({"spec": data["spec"]})]
    if data["results"]:
        kept = {
            name: data["results"][name] for name in ("split", "n", "knn", "references", "view", "seconds", "missing")
        }
        parts.append(dump_yaml({"results": kept}) + (f"{data['torn']}\n" if data["torn"] else ""))
    return "\n".join(parts) + "\nfiles: " + " ".join(data["files"])


def register_tables(actions: Any) -> None:
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
    from ssrl_core.runs.queue.run_names import find

    return tracking.track(RunFolder(find(args.run_id)), args.to, args.out)


def _show_track(data: dict[str, Any]) -> str:
    return f"{data['out']}: {data['points']} values of {data['run']}"


def _table(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.runs.queue import tables

    found = (tables.classes_table if args.classes else tables.results_table)(args.sweep)
    say_torn(map(str, found.get("dataset", ())))
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
    from ssrl_core.runs.queue.run_names import find

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


def register_export(commands: Any) -> None:
    """Add the command."""
    from ssrl_core.exports import EXPORTS

    export = leaf(
        commands,
        "export",
        run=_export_run,
        show=_show_export,
        help="write a run in another format",
        description="Write a run in another format. " + " ".join(f"{n}: {r.sentence}" for n, r in EXPORTS.items()),
    )
    add_run(export)
    export.add_argument("--to", required=True, metavar="FORMAT", help=", ".join(EXPORTS))
    export.add_argument("--out", required=True, type=Path, metavar="FILE", help="file to write")


def _export_run(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.exports import export
    from ssrl_core.runs.jobs import Reporter
    from ssrl_core.runs.queue.run_names import find

    with Reporter():
        return export(find(args.run_id), args.to, args.out)


def _show_export(data: dict[str, Any]) -> str:
    head = f"{data['run']} as {data['to']}: {data['out']} ({data['bytes']:,} bytes)"
    return head if "code" not in data else f"{head}\n\n{data['code']}"
