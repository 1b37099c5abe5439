"""`runs list | show | stop | resume | delete`."""

from __future__ import annotations

import argparse
from typing import Any

from ssrl_core.cli.output import leaf, say, table

_LISTED = (
    *("id", "name", "state", "wanted", "phase", "progress", "eta_s", "dataset", "method", "backbone", "seed"),
    *("knn_top1", "ami"),
)
_SHOWN = ["id", "state", "phase", "progress", "dataset", "method", "backbone", "seed", "knn_top1", "ami"]


def register(commands: Any) -> None:
    """Add the commands."""
    runs = commands.add_parser("runs", help="list, show, stop, resume, delete runs")
    actions = runs.add_subparsers(required=True, metavar="ACTION")
    leaf(
        actions, "list", run=_list, show=lambda rows: table(rows, _SHOWN), help="all runs, newest first, then demo runs"
    )
    show = leaf(actions, "show", run=_show, show=_show_one, help="state, spec, results and files of a run")
    stop = leaf(actions, "stop", run=_stop, show=_show_state, help="stop a run after a checkpoint")
    resume = leaf(actions, "resume", run=_resume, show=_show_state, help="go on with a stopped or failed run")
    resume.add_argument("--no-start", action="store_true", help="only queue it; start no coordinator")
    delete = leaf(actions, "delete", run=_delete, show=_show_state, help="delete a run and its folder")
    for parser in (show, stop, resume, delete):
        parser.add_argument("run_id", metavar="RUN", help="id of a run, or the beginning of one that fits no other")
    stop.add_argument("--wait", action="store_true", help="wait until it has stopped")


def _list(args: argparse.Namespace) -> list[dict[str, Any]]:
    from ssrl_core.runs import registry

    rows = registry.list_runs()
    return [{name: row[name] for name in _LISTED} | {"sweep": row["sweep_id"], "lost": row["lost"]} for row in rows]


def _show(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.runs.folder import RunFolder

    run = RunFolder(find(args.run_id))
    return {"state": state_of(run.id), "spec": run.spec().to_mapping(), "results": run.results(), "files": run.files()}


def _stop(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.runs import queue

    run_id = find(args.run_id)
    state = queue.stop(run_id)
    return {"id": run_id, "state": queue.wait(run_id) if args.wait else state}


def _resume(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.runs import queue

    run_id = find(args.run_id)
    return {"id": run_id, "state": queue.resume(run_id, start=not args.no_start)}


def _delete(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.runs import queue

    run_id = find(args.run_id)
    say(f"deleting {run_id} …")
    queue.delete(run_id)
    return {"id": run_id, "state": "deleted"}


def state_of(run_id: str) -> dict[str, Any]:
    """`state.json` of a run with what the registry knows better: state, wanted, reason, whether it is lost."""
    from ssrl_core.runs import registry
    from ssrl_core.runs.folder import RunFolder

    row = next((row for row in registry.list_runs() if row["id"] == run_id), {})
    names = ("state", "wanted", "reason", "waits_for", "lost", "worker", "created_at", "finished_at")
    return RunFolder(run_id).state() | {name: row[name] for name in names if name in row}


def find(text: str) -> str:
    """The run that an id, or the beginning of one, means.

    Raises:
        SpecError: none or several; names them.
    """
    from ssrl_core.errors import SpecError
    from ssrl_core.runs import registry

    ids = [row["id"] for row in registry.list_runs()]
    fitting = [text] if text in ids else [run_id for run_id in ids if text and run_id.startswith(text)]
    if len(fitting) == 1:
        return str(fitting[0])
    near = fitting or ids
    words = f"It may be: {', '.join(near[:6])}." if near else "There are no runs yet; `train SPEC.yaml` makes one."
    rule = "the beginning of one run's id" if fitting else "a run of this store"
    raise SpecError(where="Run", field="id", rule=rule, value=text, remedy=words)


def _show_state(data: dict[str, Any]) -> str:
    return f"{data['id']}: {data['state']}"


def _show_one(data: dict[str, Any]) -> str:
    from ssrl_core.specs.yaml_files import dump_yaml

    state = {name: value for name, value in data["state"].items() if value is not None}
    parts = [dump_yaml({"state": state}), dump_yaml({"spec": data["spec"]})]
    if data["results"]:
        kept = {
            name: data["results"][name] for name in ("split", "n", "knn", "references", "view", "seconds", "missing")
        }
        parts.append(dump_yaml({"results": kept}))
    return "\n".join(parts) + "\nfiles: " + " ".join(data["files"])
