"""`train SPEC.yaml`, `sweep SWEEP.yaml`: queue a run or many, wait if asked to; `worker`: the store's coordinator."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from ssrl_core.cli.output import leaf, to_stderr
from ssrl_core.runs.folder.results import Results
from ssrl_core.specs.parts import columns

if TYPE_CHECKING:
    from ssrl_core.specs.run import RunSpec

_SAY_EVERY_S, _LOOK_S = 5.0, 1.0


def register(commands: Any) -> None:
    """Add the command."""
    train = leaf(
        commands,
        "train",
        run=_train,
        show=_show,
        help="queue a run and start a worker",
        description="Queue a run; the same spec is the same run. A worker is started unless one is alive.",
    )
    train.add_argument("spec", metavar="SPEC.yaml", help="a run spec")
    add_queue_options(train)
    train.add_argument("--after", metavar="RUN", action="append", default=[], help="wait until this run is done")
    train.add_argument(
        "--dry-run",
        action="store_true",
        help="say what it would take, memory too, and queue nothing",
    )
    train.add_argument(
        "--memory",
        metavar="GB",
        type=float,
        help="with --dry-run: also how many images fit into so much (else into the smallest card here)",
    )
    train.add_argument("--again", action="store_true", help="train the same spec once more beside the first")


def add_queue_options(parser: argparse.ArgumentParser) -> None:
    """Options that `train` and `sweep` share."""
    parser.add_argument("--wait", action="store_true", help="wait for the end; progress goes to stderr")
    parser.add_argument("--no-start", action="store_true", help="only queue; start no worker")
    parser.add_argument("--priority", type=int, default=0, help="higher goes first (default 0)")


def _train(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.runs.folder.run_folder import RunFolder
    from ssrl_core.runs.queue import submitting
    from ssrl_core.runs.queue.identity import identify
    from ssrl_core.runs.queue.run_names import find
    from ssrl_core.specs.run import load_run

    spec, after = load_run(args.spec), [find(text) for text in args.after]
    for doubt in identify(spec).doubts:
        to_stderr(doubt)
    if args.dry_run:
        return _expected(spec, args.memory)
    asked = submitting.submit(spec, again=args.again, priority=args.priority, after=after, start=not args.no_start)
    if not args.wait:
        return asked
    to_stderr(f"run {asked['id']}")
    say_if_nobody_works()
    submitting.raise_unless_done(asked["id"], wait_saying(asked["id"]))
    return asked | {"state": "done", "results": RunFolder(asked["id"]).results().data or None}


def _expected(spec: RunSpec, memory_gb: float | None) -> dict[str, Any]:
    """What a run would take on this machine."""
    from ssrl_core.runs.folder.run_folder import imageset_of
    from ssrl_core.runs.queue.identity import identify
    from ssrl_core.runs.worker.estimate import estimate, memory

    imageset = imageset_of(spec)
    found = estimate(spec, imageset)
    told = {"id": identify(spec).id, "steps": found.steps, "seconds": found.seconds, "disk_bytes": found.disk_bytes}
    if not spec.is_trained:
        return told
    held = memory(spec, imageset, None if memory_gb is None else memory_gb * 1e9)
    told["memory_bytes"] = held.step_bytes
    if memory_gb is not None or held.of_card:
        told["largest_batch"] = held.largest
    return told


def say_if_nobody_works() -> None:
    """Waiting without a worker could be for ever; say so."""
    from ssrl_core.runs.queue import processes

    if not processes.is_alive():
        to_stderr("No worker is alive: start one with `python -m ssrl_core worker`.")


def wait_saying(run_id: str) -> str:
    """Wait for a run and say on stderr how it goes; the last state."""
    from ssrl_core.runs.queue import submitting

    said: dict[str, Any] = {"at": -1e9, "head": None}

    def on_change(state: dict[str, Any]) -> None:
        head = (state["state"], state["phase"])
        if head != said["head"] or time.monotonic() - said["at"] >= _SAY_EVERY_S:
            said.update(at=time.monotonic(), head=head)
            to_stderr(submitting.progress_line(state))

    return submitting.wait(run_id, on_change)


def _show(data: dict[str, Any]) -> str:
    if "state" not in data:
        return _show_expected(data)
    head = f"{data['id']}: {data['state']}" + ("" if data["created"] else " (was there already)")
    results = Results(data.get("results") or {})
    if not results:
        return head
    numbers = {column.title: results.columns()[column.name] for part, column in columns() if part.takes != "list"}
    lines = [f"{title} {value:.3f}" for title, value in numbers.items() if value is not None]
    for k, found in results.clusters.items():
        lines.append(f"{k} clusters: AMI {'–' if found.ami is None else format(found.ami, '.3f')}")
    return "\n".join([head, *lines, *(f"missing {key}: {why}" for key, why in results.missing.items())])


def _show_expected(data: dict[str, Any]) -> str:
    from ssrl_core.runs.worker.estimate import size

    lines = [
        f"{data['id']}: {data['steps']:,} steps, about {data['seconds']:.0f} s, {size(data['disk_bytes'])} on disk"
    ]
    if "memory_bytes" in data:
        lines.append(f"a step holds about {size(data['memory_bytes'])}, beside what the libraries take")
    if "largest_batch" in data:
        lines.append(f"at most {data['largest_batch']:,} images at a time fit (batch_size / accumulate / devices)")
    return "\n".join(lines)


def register_sweep(commands: Any) -> None:
    """Add the command."""
    sweep = leaf(
        commands,
        "sweep",
        run=_sweep,
        show=_show_sweep,
        help="queue all runs of a sweep",
        description="Queue a run for every value and seed; runs that are there already are not made again.",
    )
    sweep.add_argument("spec", metavar="SWEEP.yaml", help="a run spec with seeds and vary")
    add_queue_options(sweep)


def _sweep(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.runs.queue import sweeps
    from ssrl_core.specs.sweep import load_sweep

    asked = sweeps.submit(load_sweep(args.spec), priority=args.priority, start=not args.no_start)
    if args.wait:
        to_stderr(f"sweep {asked['id']}: {len(asked['runs'])} runs")
        say_if_nobody_works()
        _wait(asked["runs"], lambda: _later(asked["id"], len(asked["runs"])))
    return asked


def _later(sweep_id: str, first: int) -> Iterator[str]:
    """Runs that a search for settings asks for after its first, as they come."""
    from ssrl_core.runs.queue import sweeps

    known = first
    while True:
        over = all(found != sweep_id for found, _ in sweeps.unfinished_tuned())  # before its runs are looked up
        new = [str(member["id"]) for member in sweeps.members(sweep_id)[known:]]
        if over and not new:
            return
        yield from new
        known += len(new)
        if not new:
            time.sleep(_LOOK_S)


def _wait(run_ids: list[str], later: Callable[[], Iterable[str]] = tuple) -> None:
    """Wait for all runs.

    Args:
        later: runs that are asked for while one waits.

    Raises:
        RunError: some of them failed (all are waited for first).
        Stopped: some were stopped.
    """
    from ssrl_core.errors import RunError, Stopped
    from ssrl_core.runs.queue import submitting

    ends: dict[str, list[str]] = {"done": [], "failed": [], "stopped": []}
    total = len(run_ids)
    for number, run_id in enumerate(chain(run_ids, later()), 1):
        total = max(total, number)
        ends[submitting.wait(run_id)].append(run_id)
        to_stderr(f"{number}/{total}  {run_id}  {submitting.progress_line(_state(run_id))}")
    if ends["failed"]:
        raise RunError(
            f"{len(ends['failed'])} of {total} runs failed: {', '.join(ends['failed'][:5])}. See `runs show`."
        )
    if ends["stopped"]:
        raise Stopped(f"{len(ends['stopped'])} of {total} runs were stopped: {', '.join(ends['stopped'][:5])}.")


def _state(run_id: str) -> dict[str, Any]:
    from ssrl_core.runs.folder.run_folder import RunFolder
    from ssrl_core.runs.queue import registry

    row = registry.require(run_id)
    return RunFolder(run_id).state() | {"state": row["state"], "reason": row["reason"]}


def _show_sweep(data: dict[str, Any]) -> str:
    return f"{data['id']}: {len(data['runs'])} runs, {data['created']} new, {data['existing']} were there already"


_SLURM = ("partition", "account", "walltime", "nodes", "gpus", "cores", "memory", "prologue")


def register_worker(commands: Any) -> None:
    """Add the command."""
    worker = leaf(
        commands,
        "worker",
        run=_worker,
        show=lambda data: "ended" if data["ended"] else "kept in models/engine.yaml",
        help="start queued runs and watch them until idle for long",
        description="Be the one coordinator of this store: start queued runs, watch them, write down how they end. "
        "What is left out here is taken from models/engine.yaml.",
    )
    worker.add_argument(
        "--engine", help="where runs are trained: local (default), dask, slurm, tcp://HOST:8786, tls://HOST:8786"
    )
    worker.add_argument("--slots", type=int, help="runs at the same time; with slurm: jobs at the same time")
    worker.add_argument("--per-gpu", type=int, metavar="K", help="runs on one GPU at the same time (default 1)")
    worker.add_argument(
        "--cold", action="store_true", help="a process of its own for every run (else one takes several, one by one)"
    )
    worker.add_argument("--once", action="store_true", help="end as soon as nothing is queued or running")
    worker.add_argument("--stay", action="store_true", help="do not end when idle for long: for a service, a container")
    worker.add_argument("--keep", action="store_true", help="only keep these settings, for workers the app starts too")
    tls = worker.add_argument_group("a scheduler with TLS")
    for name, what in (("ca", "authority"), ("cert", "certificate"), ("key", "key")):
        tls.add_argument(f"--tls-{name}", metavar="FILE", help=f"its {what}, a PEM file")
    slurm = worker.add_argument_group("jobs of SLURM")
    slurm.add_argument("--partition", help="where they are queued")
    slurm.add_argument("--account", help="who pays")
    slurm.add_argument("--walltime", help="how long one may last, such as 12:00:00")
    slurm.add_argument("--nodes", type=int, help="nodes of a job, which one run takes together (default 1)")
    slurm.add_argument("--gpus", type=int, help="GPUs of each node of a job, one run each on one node (default 0)")
    slurm.add_argument("--cores", type=int, help="cores of each node (default 2)")
    slurm.add_argument("--memory", help="memory of each node, such as 16GB")
    slurm.add_argument("--prologue", action="append", metavar="LINE", help="a shell line before it, such as a module")


def _worker(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.runs.worker import coordinator
    from ssrl_core.runs.worker.engines.settings import load_settings, save_settings

    settings = load_settings(_changes(args))
    if args.keep:
        save_settings(settings)
        to_stderr("Workers that are alive go on as they were started.")
        return {"ended": False, "settings": settings.to_mapping()}
    idle_s = math.inf if args.stay else coordinator.IDLE_S
    coordinator.main(settings, idle_s=idle_s, once=args.once, echo=True)
    return {"ended": True}


def _changes(args: argparse.Namespace) -> dict[str, Any]:
    """What the command line says differently from the store's settings."""
    slurm = {name: getattr(args, name) for name in _SLURM if getattr(args, name) is not None}
    tls = {name: getattr(args, f"tls_{name}") for name in ("ca", "cert", "key") if getattr(args, f"tls_{name}")}
    plain = {name: getattr(args, name) for name in ("engine", "slots", "per_gpu") if getattr(args, name) is not None}
    return {
        **plain,
        **({"warm": False} if args.cold else {}),
        **({"slurm": slurm} if slurm else {}),
        **({"tls": tls} if tls else {}),
    }
