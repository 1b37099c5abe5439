"""Where a Dask scheduler is: somebody else's at an address, or one of ours on this machine."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from ssrl_core import stores
from ssrl_core.runs.worker.engines.children import source_folder
from ssrl_core.runs.worker.engines.settings import EngineSettings

ANSWER_S = 5.0


class Place:
    """Where the scheduler is. This one is somebody else's; the others are started by us.

    Attributes:
        words: for people.
        outlives: its jobs go on without the coordinator.
    """

    words = ""
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
