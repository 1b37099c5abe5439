"""The processes of a run on several devices: rank 0 is the training child, which starts the others and ends with them.

A rank that is lost ends the attempt (exit code 6): what it was computing is in no other place. The next attempt goes on
from the checkpoint, with the same number of devices or another. `torchrun --nproc-per-node N -m
ssrl_core.runs.child.train RUN_DIR` starts all ranks itself, over several machines too; then nothing is started here.
"""

from __future__ import annotations

import os
import shutil
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
from ssrl_core.runs.child import process
from ssrl_core.runs.folder.state import DONE, RANK_LOST, STOPPED

if TYPE_CHECKING:
    from ssrl_core.learning.ranks import Ranks
    from ssrl_core.specs.run import RunSpec

_LOOK_S = 0.2
_OVER_S, _SAID_FIRST_S = 30.0, 3.0
_LOOPBACK = {"linux": "lo", "darwin": "lo0"}


def follows() -> bool:
    """Whether this process is a rank other than the first, as `torchrun` and `led` tell it."""
    return int(os.environ.get("RANK", "0")) > 0 and "WORLD_SIZE" in os.environ


def follow(folder: Path) -> int:
    """Train along as one of the ranks; nothing is written.

    Returns:
        The exit code (C6).
    """
    from ssrl_core.errors import SSRLError, Stopped
    from ssrl_core.learning.devices import pick_device
    from ssrl_core.learning.loop import fit
    from ssrl_core.learning.ranks import join
    from ssrl_core.runs.folder.run_folder import RunFolder, imageset_of

    rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    spec = RunFolder(folder.name, folder).spec()
    place = int(os.environ.get("LOCAL_RANK", rank))
    ranks = join(rank, count, _meeting(), pick_device(spec.device), place=place)
    try:
        fit(spec, imageset_of(spec), folder, ranks=ranks)
    except Stopped:
        return STOPPED
    except SSRLError as error:
        print(f"rank {rank}: {error.message}", file=sys.stderr)
        return RANK_LOST
    finally:
        ranks.leave()
    return DONE


@contextmanager
def led(spec: RunSpec, folder: Path, device: Any, log: process.RunLog) -> Iterator[Ranks]:
    """The ranks of a run, of which this process is the first; the others end with it.

    Raises:
        SpecError: more devices than there are.
    """
    from ssrl_core.learning.ranks import ALONE, how_many, join

    world = int(os.environ.get("WORLD_SIZE", "1"))
    part = spec.batch_size // spec.accumulate
    count = world if world > 1 else how_many(spec.devices, device, part)
    if count == 1 or not spec.is_trained:
        yield ALONE
        return
    log.write(f"on {count} devices ({device.type})")
    if world > 1:
        ranks = join(0, count, _meeting(), device)
        try:
            yield ranks
        finally:
            ranks.leave()
        return
    others = _Others(folder, count, log)
    try:
        ranks = join(0, count, others.meeting, device)
        try:
            yield ranks
        except RuntimeError:  # gloo says first that a peer is gone
            others.name_the_lost(within_s=_SAID_FIRST_S)
            raise
        finally:
            others.watched = False
            ranks.leave()
    finally:
        others.end()


class _Others:
    """The other ranks as processes of this one, whose standard input ends them when it closes."""

    def __init__(self, folder: Path, count: int, log: process.RunLog) -> None:
        self._place = Path(tempfile.mkdtemp(prefix="viewloom-ranks-"))
        self.meeting = (self._place / "meeting").as_uri()
        self._log, self.watched = log, True
        os.environ.setdefault("GLOO_SOCKET_IFNAME", _LOOPBACK.get(sys.platform, ""))
        shared = {**os.environ, "WORLD_SIZE": str(count), "VIEWLOOM_MEETING": self.meeting}
        command = [sys.executable, "-m", "ssrl_core.runs.child.train", str(folder), "--end-with-parent"]
        self._processes = [
            subprocess.Popen(
                command, stdin=subprocess.PIPE, env={**shared, "RANK": str(rank)}, cwd=stores.source_root()
            )
            for rank in range(1, count)
        ]
        threading.Thread(target=self._watch, name="ranks", daemon=True).start()

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
                    self._log.write(f"the process of device {rank} was lost (code {code}); the attempt ends here")
                    self.end(wait_s=0.0)
                    os._exit(RANK_LOST)
            if time.monotonic() >= until:
                return
            time.sleep(_LOOK_S)

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


def _meeting() -> str:
    return os.environ.get("VIEWLOOM_MEETING", "env://")
