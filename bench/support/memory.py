"""Memory that a piece of work takes at its highest, measured in a process of its own (on Linux).

`python -m bench.support.memory PEER RECIPE COUNT` prints one line of JSON: {bytes, view_bytes}.
"""

from __future__ import annotations

import ctypes
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_WARM = 8


def can_measure() -> bool:
    """Whether this system tells the highest memory of a process, and forgets it when asked."""
    return _STATUS.is_file() and _RESET.exists()


def highest(work: Callable[[], object]) -> int:
    """Bytes that the process stood higher during the work than before it."""
    ctypes.CDLL(None).malloc_trim(0)  # what an earlier call left would hide what this one needs
    _RESET.write_text("5")
    before = _line("VmRSS")
    kept = work()
    peak = _line("VmHWM")
    del kept
    return peak - before


def of_views(peer: str, recipe: str, count: int) -> float:
    """Memory for each view at the highest, in sizes of a view: 1 is the finished view alone.

    Args:
        peer: `ours`, or one of `views_peers.PEERS`.
    """
    words = [sys.executable, "-m", "bench.support.memory", peer, recipe, str(count)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=Path(__file__).resolve().parents[2])
    if done.returncode:
        raise RuntimeError(f"the memory of {peer} could not be measured: {done.stderr[-500:]}")
    told = json.loads(done.stdout.splitlines()[-1])
    return float(told["bytes"]) / float(told["view_bytes"])


def _line(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", _STATUS.read_text())
    return 1024 * int(found[1]) if found else 0


def _measure(peer: str, recipe: str, count: int) -> dict[str, int]:
    """In the child: once with a few images to compile and load all, then with all of them."""
    import warnings

    import numpy as np
    import torch

    from bench import bench_views
    from bench.support.views_peers import PEERS
    from ssrl_core import stores

    stores.prepare_caches()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    pictures = bench_views.pictures_of(recipe)
    pixels = np.ascontiguousarray(np.resize(pictures.pixels, (count, *pictures.pixels.shape[1:])))

    def work(some: np.ndarray) -> Callable[[], int]:
        return bench_views.ours(some, recipe) if peer == "ours" else PEERS[peer][0](some, recipe, len(some))

    work(pixels[:_WARM])()
    whole = work(pixels)
    made = highest(whole)
    return {"bytes": made, "view_bytes": count * 4 * int(np.prod(pixels.shape[1:]))}


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
