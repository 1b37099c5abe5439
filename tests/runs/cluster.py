"""A real Dask scheduler with workers, and a real one-node SLURM, as processes that a test starts and ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.kit import ROOT, missing

_SLURM = """
ClusterName=viewloom
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
SlurmctldPort={ctld}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
KillWait=5
{nodes}
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
""".strip()
_NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} Boards=1 SocketsPerBoard=1 "
    "CoresPerSocket={cpus} ThreadsPerCore=1 RealMemory=8000 State=UNKNOWN"
)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **more}


class DaskCluster:
    """A scheduler in a process of its own, and workers in others; with the files of `certificates.make` under TLS."""

    def __init__(
        self, folder: Path, workers: int = 2, *, port: int | None = None, tls: dict[str, str] | None = None
    ) -> None:
        self.port = port or free_port()
        self._folder = folder
        self._scheme = "tls" if tls else "tcp"
        names = {"ca": "--tls-ca-file", "cert": "--tls-cert", "key": "--tls-key"}
        self._tls = [word for name, file in (tls or {}).items() for word in (names[name], file)]
        self.processes: list[subprocess.Popen] = []
        where = ["--host", f"{self._scheme}://127.0.0.1", "--port", str(self.port)]
        self.scheduler = self._start("scheduler", *where, "--no-dashboard")
        self.workers = [self.worker() for _ in range(workers)]

    @property
    def address(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def worker(self) -> subprocess.Popen:
        folder = str(self._folder / f"worker-{len(self.processes)}")
        options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", folder]
        return self._start("worker", self.address, *options)

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def _start(self, *words: str) -> subprocess.Popen:
        log = open(self._folder / f"dask-{len(self.processes)}.log", "wb")  # noqa: SIM115
        command = [sys.executable, "-m", "dask", *words, *self._tls]
        with log:
            process = subprocess.Popen(command, env=environment(), stdout=log, stderr=log, cwd=ROOT)
        self.processes.append(process)
        return process


class SlurmCluster:
    """munge, slurmctld and a slurmd for each node, all on this machine without systemd; one partition `debug`."""

    def __init__(self, folder: Path, cpus: int = 2, nodes: int = 1) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen] = []
        for program in ("munged", "slurmctld", "slurmd", "sbatch"):
            if not shutil.which(program):
                missing(program, "install your system's packages slurmctld, slurmd, slurm-client, munge")
        if os.geteuid() != 0:
            missing("the right to start slurmd", "run this test as root (a container will do)")
        names = [f"node{number}" for number in range(nodes)]
        for name in ("state", *(f"spool-{name}" for name in names), "munge"):
            (folder / name).mkdir(mode=0o700)
        self.conf = folder / "slurm.conf"
        host = socket.gethostname().split(".")[0]
        lines = "\n".join(_NODE.format(name=name, host=host, port=free_port(), cpus=cpus) for name in names)
        self.conf.write_text(_SLURM.format(host=host, folder=folder, ctld=free_port(), nodes=lines) + "\n")
        self._munge()
        self._start("slurmctld", "-D")
        for name in names:
            self._start("slurmd", "-D", "-N", name)
        idle = f"idle {nodes}"
        self.until(lambda: self.said("sinfo", "--noheader", "--format=%T %D").strip() == idle, "the nodes are not idle")

    def said(self, *command: str) -> str:
        done = subprocess.run(
            command, env=environment(SLURM_CONF=str(self.conf)), capture_output=True, text=True, timeout=60
        )
        return done.stdout + done.stderr

    def until(self, condition, why: str, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            logs = {file.name: file.read_text()[-1500:] for file in self.folder.glob("*.log")}
            assert time.monotonic() < deadline, f"{why}: {logs}"
            time.sleep(0.1)

    def close(self) -> None:
        self.said("scancel", "--me", "--signal=KILL")
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)
            if process.poll() is None:
                process.kill()
                process.wait()

    def _munge(self) -> None:
        key, socket_file = self.folder / "munge" / "key", self.folder / "munge.socket"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        names = {"key-file": key, "socket": socket_file}
        names |= {f"{what}-file": self.folder / "munge" / what for what in ("pid", "log", "seed")}
        self._start("munged", "--foreground", "--force", *(f"--{name}={value}" for name, value in names.items()))
        self.until(socket_file.exists, "munge is not up")

    def _start(self, *command: str) -> None:
        with open(self.folder / f"{command[0]}-{len(self.processes)}-said.log", "wb") as log:
            self.processes.append(
                subprocess.Popen(command, env=environment(SLURM_CONF=str(self.conf)), stdout=log, stderr=log)
            )
