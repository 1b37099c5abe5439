"""`python -m bench.bench_NAME`: the same as `python -m ssrl_core bench NAME`."""

from __future__ import annotations

import sys


def main(name: str) -> int:
    """Run one bench from the command line."""
    from ssrl_core.cli import main as command

    return command(["bench", name, *sys.argv[1:]])
