"""The processes of a run on several devices: rank 0 is the training child, which starts the others and ends with them.

A rank that is lost ends the attempt (exit code 6): what it was computing is in no other place. The next attempt goes on
from the checkpoint, with the same number of devices or another. `torchrun --nproc-per-node N -m
ssrl_core.runs.child.train RUN_DIR` starts all ranks itself, over several machines too; then nothing is started here. In
a job of SLURM over several nodes the others are started by `srun`.

Rank 0 alone hears STOP files and signals; the others do as it says, beginning with whether there is anything to train.
"""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssrl_core import stores
from ssrl_core.errors import SpecError
from ssrl_core.runs.child import process
from ssrl_core.runs.folder.state import DONE, RANK_LOST, STOPPED

if TYPE_CHECKING:
    from ssrl_core.learning.ranks import Ranks
    from ssrl_core.specs.run import RunSpec

_LOOK_S = 0.2
_OVER_S, _SAID_FIRST_S = 30.0, 3.0
_LOOPBACK = {"linux": "lo", "darwin": "lo0"}


def follows() -> bool:
    """Whether this process is a rank other than the first, as `torchrun`, `srun` and `led` tell it."""
    return "WORLD_SIZE" in os.environ and _rank() > 0


def _rank() -> int:
    by_srun = os.environ.get("VIEWLOOM_EACH") and os.environ.get("SLURM_PROCID")
    return int(by_srun) + 1 if by_srun else int(os.environ.get("RANK", "0"))  # rank 0 is no task of ours


def _place(rank: int) -> int:
    """Number of a rank on its machine."""
    each = os.environ.get("VIEWLOOM_EACH")
    return rank % int(each) if each else int(os.environ.get("LOCAL_RANK", rank))


def follow(folder: Path) -> int:
    """Train along as one of the ranks; nothing is written.

    Returns:
        The exit code (C6).
    """
    from ssrl_core.errors import SSRLError, Stopped
    from ssrl_core.learning.devices import pick_device
    from ssrl_core.learning.loop import fit
    from ssrl_core.learning.ranks import join, lost_another
    from ssrl_core.runs.folder.run_folder import RunFolder, imageset_of

    for name in ("SIGTERM", "SIGINT", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    rank, count = _rank(), int(os.environ["WORLD_SIZE"])
    spec = RunFolder(folder.name, folder).spec()
    ranks = join(rank, count, _meeting(), pick_device(spec.device), place=_place(rank))
    try:
        if ranks.agree(False):
            fit(spec, imageset_of(spec), folder, ranks=ranks)
    except Stopped:
        return STOPPED
    except SSRLError as error:
        print(f"rank {rank}: {error.message}", file=sys.stderr)
        return RANK_LOST
    except RuntimeError as error:
        if not lost_another(error):
            raise
        print(f"rank {rank}: another rank was lost", file=sys.stderr)
        os._exit(RANK_LOST)  # leaving would wait for it
    finally:
        ranks.leave()
    return DONE


def dismiss(device: Any) -> None:
    """Tell ranks that were started with this one that there is nothing to train."""
    from ssrl_core.learning.ranks import join

    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world > 1:
        ranks = join(0, world, _meeting(), device)
        ranks.agree(False)
        ranks.leave()


@contextmanager
def led(spec: RunSpec, folder: Path, device: Any, log: process.RunLog) -> Iterator[Ranks]:
    """The ranks of a run, of which this process is the first; the others end with it.

    Raises:
        SpecError: more devices than there are.
    """
    from ssrl_core.learning.ranks import ALONE, how_many, join, lost_another

    world = int(os.environ.get("WORLD_SIZE", "1"))
    part, hosts = spec.batch_size // spec.accumulate, _hosts()
    count = world if world > 1 else how_many(spec.devices, device, part, machines=len(hosts))
    if not spec.is_trained or count == 1:
        if world > 1:
            dismiss(device)
        yield ALONE
        return
    _check_divides(part, count)
    log.write(f"on {count} devices ({device.type})" + (f" of {len(hosts)} nodes" if len(hosts) > 1 else ""))
    others = _Others(folder, count, hosts, log) if world == 1 else None
    try:
        ranks = join(0, count, others.meeting if others else _meeting(), device)
        try:
            ranks.agree(True)
            yield ranks
        except RuntimeError as error:  # gloo says first that a peer is gone
            if others:
                others.name_the_lost(within_s=_SAID_FIRST_S)
            if not lost_another(error):
                raise
            log.write("the process of another device was lost; the attempt ends here")
            if others:
                others.end(wait_s=0.0)
            os._exit(RANK_LOST)
        finally:
            if others:
                others.watched = False
            ranks.leave()
    finally:
        if others:
            others.end()


def _check_divides(part: int, count: int) -> None:
    """`torchrun` may have started a number of ranks that the spec did not name."""
    if part % count:
        rule = f"a divisor of the {part} images of one pass (batch_size / accumulate)"
        raise SpecError.at("Run", "number of ranks", rule, count, "Start another number of them.")


def _hosts() -> list[str]:
    """The nodes of the job of SLURM that this process is in, its own first; one name where it is in none."""
    if int(os.environ.get("SLURM_JOB_NUM_NODES", "1")) < 2:
        return [""]
    command = ["scontrol", "show", "hostnames", os.environ["SLURM_JOB_NODELIST"]]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split()
    own = os.environ.get("SLURMD_NODENAME", said[0])
    return [own, *(name for name in said if name != own)]


class _Others:
    """The other ranks as processes of this one, whose standard input ends them when it closes.

    On several nodes they are tasks of one `srun`, dealt out evenly, this process among those of the first.
    """

    def __init__(self, folder: Path, count: int, hosts: list[str], log: process.RunLog) -> None:
        self._log, self.watched = log, True
        self._over = over = len(hosts) > 1
        seen_by_all = folder if over else None
        self._place = Path(tempfile.mkdtemp(prefix=".ranks-" if over else "viewloom-ranks-", dir=seen_by_all))
        self.meeting = (self._place / "meeting").as_uri()
        command = [sys.executable, "-m", "ssrl_core.runs.child.train", str(folder), "--end-with-parent"]
        told = {**os.environ, "WORLD_SIZE": str(count), "VIEWLOOM_MEETING": self.meeting}
        self._processes = self._on_nodes(command, told, count, hosts) if over else self._here(command, told, count)
        threading.Thread(target=self._watch, name="ranks", daemon=True).start()

    @staticmethod
    def _here(command: list[str], told: dict[str, str], count: int) -> list[subprocess.Popen[bytes]]:
        loopback = _LOOPBACK.get(sys.platform, "")
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback)
        told.setdefault("GLOO_SOCKET_IFNAME", loopback)
        return [_process(command, {**told, "RANK": str(rank)}) for rank in range(1, count)]

    def _on_nodes(
        self, command: list[str], told: dict[str, str], count: int, hosts: list[str]
    ) -> list[subprocess.Popen[bytes]]:
        each = math.ceil(count / len(hosts))
        listed = self._place / "hosts"
        listed.write_text("".join(f"{hosts[rank // each]}\n" for rank in range(1, count)))
        by_srun = ["srun", "--overlap", "--overcommit", "--kill-on-bad-exit=1", f"--ntasks={count - 1}"]
        told |= {"VIEWLOOM_EACH": str(each), "SLURM_HOSTFILE": str(listed)}
        return [_process([*by_srun, "--distribution=arbitrary", *command], told)]

    def _watch(self) -> None:
        """End the attempt as soon as a rank is gone: the others would wait for it in the middle of a step."""
        over = threading.Event()
        while self.watched and not over.wait(_LOOK_S):
            self.name_the_lost()

    def name_the_lost(self, *, within_s: float = 0.0) -> None:
        """End this process with code 6 if one of the others is gone, or goes within a moment."""
        until = time.monotonic() + within_s
        while True:
            for rank, other in enumerate(self._processes, 1):
                code = other.poll()
                if code not in (None, DONE, STOPPED) and self.watched:
                    self._log.write(f"the process of {self._named(rank)} was lost (code {code}); the attempt ends here")
                    self.end(wait_s=0.0)
                    os._exit(RANK_LOST)
            if time.monotonic() >= until:
                return
            time.sleep(_LOOK_S)

    def _named(self, rank: int) -> str:
        return "a device on the nodes" if self._over else f"device {rank}"

    def end(self, *, wait_s: float = _OVER_S) -> None:
        """They are at their end, or are brought to it."""
        self.watched = False
        for other in self._processes:
            try:
                other.wait(timeout=wait_s if sys.exc_info()[0] is None else 0.0)
            except subprocess.TimeoutExpired:
                other.kill()
                other.wait()
            if other.stdin is not None:
                other.stdin.close()
        shutil.rmtree(self._place, ignore_errors=True)


def _process(command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, cwd=stores.source_root())


def _meeting() -> str:
    return os.environ.get("VIEWLOOM_MEETING", "env://")
