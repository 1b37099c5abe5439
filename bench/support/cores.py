"""What two processes that know nothing of each other reach: no two threads can scale better than the machine does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.support.measuring import Work

_ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def two_processes(module: str, case: str) -> Iterator[Work]:
    """Work that two child processes do side by side, on one thread each.

    Args:
        module: has `work_of(case)`, the work of one process.
    """
    command = [sys.executable, "-m", "bench.support.cores", module, case]
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT) for _ in range(2)
    ]

    def both() -> int:
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        return sum(int(child.stdout.readline()) for child in children if child.stdout is not None)

    try:
        yield both
    finally:
        for child in children:
            child.communicate()


def main(module: str, case: str) -> None:
    """One child: does its work once for each line that comes in."""
    import importlib

    import torch

    torch.set_num_threads(1)
    work: Work = importlib.import_module(module).work_of(case)
    for _ in sys.stdin:
        print(work(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
