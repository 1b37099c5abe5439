"""Where a Dask scheduler is: at somebody's address, on this machine, or here with workers that are jobs of SLURM.

What SLURM would refuse is said before anything is queued.
"""

from __future__ import annotations

import logging
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ssrl_core import stores
from ssrl_core.errors import SpecError
from ssrl_core.runs.queue.processes import source_folder
from ssrl_core.runs.worker.engines.settings import EngineSettings

ANSWER_S = 5.0


class Place:
    """Where the scheduler is. This one is somebody else's; the others are started by us.

    Attributes:
        words: for people.
        cards: GPUs of one worker; 0 where it has one or none, or where that is not ours to say.
        outlives: its jobs go on without the coordinator.
    """

    words = ""
    cards = 0
    outlives = False

    def connect(self) -> Any:
        """A client of the scheduler.

        Raises:
            OSError, TimeoutError: it does not answer.
        """
        raise NotImplementedError

    def scale(self, wanted: int) -> None:
        """Have room for this many runs, as far as allowed."""

    def why_no_slots(self) -> str:
        """Why there is no worker now."""
        return f"{self.words} has no workers yet. Start some with `dask worker`."

    def close(self) -> None:
        """Give back what was started."""


class Scheduler(Place):
    """A scheduler that is there already, at an address."""

    outlives = True

    def __init__(self, settings: EngineSettings) -> None:
        self._address, self._tls = settings.engine, settings.tls
        self.words = f"The Dask scheduler {self._address}"

    def connect(self) -> Any:
        """See `Place.connect`."""
        return client_of(self._address, security_of(self._tls))


class OwnWorkers(Place):
    """A scheduler in this process and workers beside it, one for each GPU, else one for each run; loopback only."""

    words = "Dask on this machine"

    def __init__(self, settings: EngineSettings) -> None:
        from ssrl_core.runs.worker.engines.local import gpus_here

        self._gpus, self._per_gpu = gpus_here(), settings.per_gpu
        self._count = settings.slots or max(1, len(self._gpus))
        self._cluster: Any = None

    def connect(self) -> Any:
        """See `Place.connect`."""
        from distributed import Nanny, Scheduler, SpecCluster

        self.close()
        host = {"host": "127.0.0.1", "dashboard": False, "dashboard_address": "127.0.0.1:0"}
        self._cluster = SpecCluster(
            scheduler={"cls": Scheduler, "options": {**host, "port": 0}},
            workers={n: {"cls": Nanny, "options": self._worker(n)} for n in range(self._count)},
            silence_logs=logging.ERROR,
        )
        return client_of(self._cluster, None)

    def _worker(self, number: int) -> dict[str, Any]:
        env = dict(worker_environment())
        if self._gpus:
            env["CUDA_VISIBLE_DEVICES"] = self._gpus[number % len(self._gpus)]
        threads = self._per_gpu if self._gpus else 1
        folder = str(local_folder())
        return {"nthreads": threads, "host": "127.0.0.1", "env": env, "local_directory": folder, "memory_limit": 0}

    def close(self) -> None:
        """See `Place.close`."""
        if self._cluster is not None:
            self._cluster.close(timeout=10)
        self._cluster = None


def security_of(tls: Any) -> Any:
    """Dask's TLS settings from files, None without any: whoever reaches a scheduler can run code there."""
    if not tls:
        return None
    from distributed.security import Security

    mine = {f"tls_{side}_{name}": tls[name] for side in ("client",) for name in ("cert", "key")}
    return Security(tls_ca_file=tls["ca"], require_encryption=True, **mine)


def worker_environment() -> dict[str, str]:
    """What a worker that we start needs to find this package."""
    before = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(source_folder()), before])), **store_paths()}


def local_folder() -> Path:
    """Where workers keep their scratch files: in the store."""
    folder = stores.models_root() / "cache" / "dask"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def client_of(address: Any, security: Any) -> Any:
    """A client of a scheduler or cluster; raises when it does not answer within seconds."""
    from distributed import Client

    more = {} if security is None else {"security": security}
    return Client(address, timeout=ANSWER_S, set_as_default=False, name="viewloom", **more)


def store_paths() -> dict[str, str]:
    """The two stores by absolute path."""
    return {"SSRL_DATA": str(stores.data_root()), "SSRL_MODELS": str(stores.models_root())}


_IDLE_S = 60.0
_MOST_JOBS = 8
_ASK_S = 20.0
_ASK_ANEW_S = 60.0  # after which jobs that SLURM has no longer in its queue are asked for anew


class SlurmPlace(Place):
    """A scheduler in this process whose workers are jobs of SLURM, asked for while runs wait, given back when idle.

    Args:
        settings: of the engine; `slots` is the most jobs at a time.

    Raises:
        SpecError: SLURM is not on this machine, or would refuse such a job; in its own words.
    """

    words = "SLURM"

    def __init__(self, settings: EngineSettings) -> None:
        self._slurm = settings.slurm
        self._per_job = max(1, settings.slurm.gpus) * (settings.per_gpu if settings.slurm.gpus else 1)
        if settings.slurm.nodes > 1:
            self._per_job = 1
        else:
            self.cards = settings.slurm.gpus
        self._most = settings.slots or _MOST_JOBS
        self._cluster: Any = None
        self._jobs = 0
        self._needed_at = self._asked_at = time.monotonic()
        require_slurm()
        self._check()

    def connect(self) -> Any:
        """See `Place.connect`."""
        from dask_jobqueue import SLURMCluster
        from distributed.security import Security

        self.close()
        shared = stores.models_root() / "cache" / "tls"
        shared.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._cluster = SLURMCluster(
            security=Security.temporary(),  # whoever reaches a scheduler can run code there
            shared_temp_directory=str(shared),
            scheduler_options={"dashboard": False, "dashboard_address": "127.0.0.1:0", "port": 0},
            silence_logs=logging.ERROR,
            **self._asked(),
        )
        return client_of(self._cluster, None)

    def scale(self, wanted: int) -> None:
        """See `Place.scale`. Jobs are never taken away one by one: that could be the one at work.

        A job that ended (its time was over, it was cancelled or pre-empted) is asked for again while runs wait.
        """
        now = time.monotonic()
        if wanted:
            self._needed_at = now
        jobs = min(self._most, math.ceil(wanted / self._per_job))
        there = min(self._jobs, len(self._cluster.workers)) if self._jobs else 0
        if jobs > there or (self._jobs and now - self._needed_at > _IDLE_S):
            if jobs > self._jobs:
                self._asked_at = now
            self._jobs = jobs
            self._cluster.scale(jobs=jobs)

    def why_no_slots(self) -> str:
        """See `Place.why_no_slots`: in SLURM's own words."""
        if not self._jobs:
            return ""
        said = _said(["squeue", "--me", "--noheader", "--format=%j %T %r"])
        mine = sorted({" ".join(line.split()[1:]) for line in (said or "").splitlines() if line.startswith("viewloom")})
        if said is not None and not mine and time.monotonic() - self._asked_at > _ASK_ANEW_S:
            self._cluster.scale(jobs=0)  # none of them is left: `scale` asks for others
            self._jobs = 0
        state = ", ".join(mine) or "no job is in its queue; it may have refused or ended them"
        return f"SLURM has not started a worker yet ({state})."

    def close(self) -> None:
        """See `Place.close`."""
        if self._cluster is not None:
            self._cluster.close(timeout=10)
        self._cluster, self._jobs = None, 0

    def _asked(self) -> dict[str, Any]:
        """A job, as dask-jobqueue is told."""
        slurm, logs = self._slurm, stores.models_root() / "cache" / "slurm"
        logs.mkdir(parents=True, exist_ok=True)
        exports = [f'export {name}="{value}"' for name, value in worker_environment().items()]
        return {
            "job_name": "viewloom",
            "queue": slurm.partition,
            "account": slurm.account,
            "walltime": slurm.walltime,
            "cores": self._per_job,
            "job_cpu": max(slurm.cores, 1),
            "processes": 1,
            "memory": slurm.memory,
            "python": sys.executable,
            "local_directory": str(local_folder()),
            "log_directory": str(logs),
            "job_script_prologue": [*slurm.prologue, *exports],
            "job_directives_skip": ["-n 1"],  # of all nodes
            "job_extra_directives": self._directives(),
            "worker_extra_args": ["--no-dashboard"],
            "death_timeout": 120,
        }

    def _directives(self) -> list[str]:
        slurm = self._slurm
        return [f"--nodes={slurm.nodes}", "--ntasks-per-node=1", *([f"--gres=gpu:{slurm.gpus}"] if slurm.gpus else [])]

    def _check(self) -> None:
        """Ask SLURM whether it would take such a job."""
        script = ["#!/bin/bash", f"#SBATCH -t {self._slurm.walltime}", f"#SBATCH --cpus-per-task={self._slurm.cores}"]
        script += [f"#SBATCH {asked}" for asked in self._directives()]
        script += [f"#SBATCH --mem={self._slurm.memory.replace(' ', '').upper().removesuffix('B')}"]
        script += [f"#SBATCH -p {self._slurm.partition}"] if self._slurm.partition else []
        script += [f"#SBATCH -A {self._slurm.account}"] if self._slurm.account else []
        with tempfile.TemporaryDirectory(dir=local_folder()) as folder:
            file = Path(folder) / "job.sh"
            file.write_text("\n".join([*script, "true", ""]))
            done = subprocess.run(
                ["sbatch", "--test-only", str(file)], capture_output=True, text=True, timeout=60, check=False
            )
        if done.returncode:
            raise self._refused(done.stderr)

    def _refused(self, said: str) -> SpecError:
        text = " ".join(line.split("error:", 1)[-1].strip() for line in said.splitlines()).strip()
        if "artition" in text:
            there = ", ".join((_said(["sinfo", "--noheader", "--format=%R"]) or "").split()) or "none"
            return SpecError.at(
                "SLURM",
                "partition",
                "a partition of this cluster",
                self._slurm.partition,
                f"There is: {there}. SLURM says: {text}",
            )
        if self._slurm.nodes > 1 and ("ode count" in text or "node configuration" in text):
            rule, remedy = "what the partition has", f"Ask for fewer. SLURM says: {text}"
            return SpecError.at("SLURM", "nodes", rule, self._slurm.nodes, remedy)
        if self._slurm.gpus and ("gres" in text.lower() or "node configuration" in text):
            return SpecError.at(
                "SLURM",
                "gpus",
                "what a node of the partition has",
                self._slurm.gpus,
                f"Ask for fewer (gpus: 0 trains on the processor), or another partition. SLURM says: {text}",
            )
        return SpecError(f"SLURM refuses such a job: {text} Change partition, account, walltime, cores or memory.")


def require_slurm() -> None:
    """Refuse where SLURM's commands are not.

    Raises:
        SpecError: with the remedy.
    """
    if shutil.which("sbatch") is None:
        raise SpecError.at(
            "worker",
            "engine",
            "one that is on this machine",
            "slurm",
            "There is no command `sbatch` here: start the worker on a login node of the cluster.",
        )


def _said(command: list[str]) -> str | None:
    """What a command of SLURM prints, None where it fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=_ASK_S, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
