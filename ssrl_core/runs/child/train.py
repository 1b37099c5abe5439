"""The training child: `python -m ssrl_core.runs.child.train RUN_DIR`. Learns, embeds, evaluates, lays out.

It knows no engine: a coordinator starts it with `--end-with-parent`, a person or `sbatch` without. All about a run
lives in its folder, every part is written whole, and a child that is started again does only what is missing.

Exit codes: 0 done, 1 failed, 2 bad spec, 3 stopped, 4 another process has the run, 5 pre-empted (goes on later), 6 the
process of one of several devices was lost (goes on from the checkpoint).

A run on several devices starts the processes of the others itself (`ranks.py`); under `torchrun` they are there.
"""

from __future__ import annotations

import argparse
import errno
import os
import platform
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import ssrl_core
from ssrl_core import stores
from ssrl_core.errors import DataError, SpecError, SSRLError, Stopped
from ssrl_core.runs.child import process, ranks
from ssrl_core.runs.child.process import RunLog
from ssrl_core.runs.folder.locks import Lock
from ssrl_core.runs.folder.state import BAD_SPEC, DISK_FULL, DONE, FAILED, LOCKED, PRE_EMPTED, STOPPED, StateWriter


def main(argv: Sequence[str] | None = None) -> int:
    """Train the run in a folder.

    Returns:
        The exit code (C6).
    """
    parser = argparse.ArgumentParser(
        prog="python -m ssrl_core.runs.child.train", description="Train the run in a folder."
    )
    parser.add_argument("folder", metavar="RUN_DIR", help="a run folder with spec.yaml")
    parser.add_argument(
        "--end-with-parent", action="store_true", help="end when standard input closes (for coordinators)"
    )
    args = parser.parse_args(argv)
    folder = Path(args.folder).absolute()
    if _has_no_spec(folder):
        return BAD_SPEC
    if args.end_with_parent:
        process.end_with_parent()
        process.give_way()
        process.ignore_interrupts()
    prepare()
    if ranks.follows():
        return ranks.follow(folder)
    return attempt(folder, by_hand=not args.end_with_parent)


def prepare() -> None:
    """What a process needs before it imports anything large."""
    stores.prepare_caches()
    # Threads that spin while they wait make a busy machine crawl (one linear probe: 94 s; with sleeping ones 2 s).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def attempt(folder: Path, *, by_hand: bool) -> int:
    """One attempt at the run in a folder; what it takes (lock, log, threads, signals) it gives back.

    Args:
        by_hand: a person started it and looks on; a coordinator would have removed an old STOP file.

    Returns:
        The exit code (C6).
    """
    if _has_no_spec(folder):
        return BAD_SPEC
    lock = Lock(folder / "lock")
    try:
        taken = lock.take()
    except SSRLError as error:
        print(error.message, file=sys.stderr)
        return FAILED
    if not taken:
        print(f"{folder}: another process is at work on this run. Wait for it, or stop it.", file=sys.stderr)
        return LOCKED
    if by_hand:
        (folder / "STOP").unlink(missing_ok=True)
    log = RunLog(folder, echo=by_hand)
    child = Child(folder, log)
    try:
        return child.go()
    finally:
        child.close()
        log.close()
        lock.give_back()


def _has_no_spec(folder: Path) -> bool:
    if (folder / "spec.yaml").is_file():
        return False
    print(f"{folder}: there is no spec.yaml. Name a run folder, or queue a spec with `train`.", file=sys.stderr)
    return True


class Child:
    """One attempt at one run, with everything that can end it."""

    def __init__(self, folder: Path, log: RunLog) -> None:
        self.folder, self.log = folder, log
        for leftover in folder.glob(".*.tmp"):
            leftover.unlink(missing_ok=True)  # an earlier attempt was killed while it wrote
        self.state = StateWriter(folder, versions())
        self.stop_request = process.StopRequest(folder, self._give_up)
        self.stop_request.listen()

    def go(self) -> int:
        """Do the run and write down how it ended."""
        self.log.write(f"attempt {self.state.fields['attempt']}, process {os.getpid()}")
        try:
            from ssrl_core.runs.child.phases import Phases

            Phases(self.folder, self.state, self.stop_request, self.log).go()
        except Stopped as stop:
            return self._stopped(self.stop_request.kind(), stop.message)
        except Exception as error:  # noqa: BLE001 (whatever it is, the run must say that it failed)
            return self._failed(error)
        self.log.write("done")
        self.state.end("done")
        return DONE

    def close(self) -> None:
        """End the threads of this attempt."""
        self.state.close()
        self.stop_request.close()

    def _stopped(self, kind: str, message: str) -> int:
        self.log.write(f"{kind}: {message}")
        if kind == "stopped":
            self.state.end("stopped")
            return STOPPED
        self.state.update(now=True)
        return PRE_EMPTED

    def _failed(self, error: Exception) -> int:
        found = in_words(error, self.folder.name)
        if not isinstance(error, SSRLError):
            traceback.print_exception(error)
        elif error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        self.log.write(f"failed: {found['message']}")
        self.state.end("failed", found)
        self.log.report_error(found)
        return BAD_SPEC if isinstance(error, SpecError | DataError) else FAILED

    def _give_up(self, kind: str) -> None:
        """Called from another thread when what runs now cannot be interrupted; what is on disk is whole."""
        code = self._stopped(kind, "in the middle of a computation, which will be made anew")
        os._exit(code)


def in_words(error: Exception, run_id: str) -> dict[str, Any]:
    """{type, where, message, remedy} of any error (C6)."""
    if isinstance(error, SSRLError):
        where = error.where or run_id
        return {"type": type(error).__name__, "where": where, "message": error.message, "remedy": error.remedy}
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = "Make room on that disk, then resume the run; nothing half-written was left."
        message = f"{DISK_FULL}{f' ({error.filename})' if error.filename else ''}. {remedy}"
    elif isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        remedy = "Take fewer images at a time (accumulate), a smaller batch, or a machine with more memory."
        message = f"The memory was not enough: {error}. {remedy}"
    else:
        remedy = "This is a bug in Viewloom; the log has the traceback."
        message = f"{type(error).__name__}: {error}. {remedy}"
    return {"type": type(error).__name__, "where": run_id, "message": message, "remedy": remedy}


def versions() -> dict[str, str | None]:
    """`{viewloom, python, torch, git}`, without importing torch; git is the commit of the source tree, else None."""
    return {
        "viewloom": ssrl_core.__version__,
        "python": platform.python_version(),
        "torch": _installed("torch"),
        "git": _commit(),
    }


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit that the source tree stands at, read from git's own files."""
    root = stores.source_root()
    if root is None or not (root / ".git" / "HEAD").is_file():
        return None
    head = (root / ".git" / "HEAD").read_text().strip()
    if not head.startswith("ref: "):
        return head[:12]
    return _ref(root / ".git", head.removeprefix("ref: "))


def _ref(git: Path, name: str) -> str | None:
    loose, packed = git / name, git / "packed-refs"
    if loose.is_file():
        return loose.read_text().strip()[:12]
    lines = packed.read_text().splitlines() if packed.is_file() else []
    return next((line[:12] for line in lines if line.endswith(f" {name}")), None)


if __name__ == "__main__":
    sys.exit(main())
