"""`worker`: be the coordinator of this store."""

from __future__ import annotations

import argparse
import math
from typing import Any

from ssrl_core.cli.output import leaf, to_stderr

_SLURM = ("partition", "account", "walltime", "nodes", "gpus", "cores", "memory", "prologue")


def register(commands: Any) -> None:
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
