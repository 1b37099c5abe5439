"""`demo make`, `demo check`: the finished example that ships in `models/demo`, made again and compared."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from ssrl_core.cli.output import leaf, to_stderr
from ssrl_core.errors import RunError


def register(commands: Any) -> None:
    """Add the commands."""
    actions = commands.add_parser("demo", help="the finished example that ships").add_subparsers(
        required=True, metavar="ACTION"
    )
    make = leaf(actions, "make", run=_make, show=_show, help="make the example again (a few minutes)")
    make.add_argument("--out", type=Path, metavar="DIR", help="lay it there instead of models/demo")
    check = leaf(actions, "check", run=_check, show=_show_check, help="compare what ships with what is made now")
    check.add_argument("--only", nargs="+", metavar="RUN", help="of its runs: first, second, left, right, sum")


def _make(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core import stores
    from ssrl_core.runs import example

    out = example.make((args.out or stores.demo_root()).absolute(), say=to_stderr)
    files = [path for path in out.rglob("*") if path.is_file()]
    return {"out": str(out), "files": len(files), "bytes": sum(path.stat().st_size for path in files)}


def _check(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core import stores
    from ssrl_core.runs import example

    which = tuple(args.only or example.RUNS)
    example.check_names(which)
    with tempfile.TemporaryDirectory() as folder:
        found = example.differences(stores.demo_root(), example.make(Path(folder) / "demo", say=to_stderr, which=which))
    if found:
        raise RunError("The example that ships is not what is made now: " + "; ".join(found) + ". Run `demo make`.")
    return {"runs": list(which), "differences": found}


def _show(data: dict[str, Any]) -> str:
    return f"{data['files']} files, {data['bytes'] / 1e6:.1f} MB: {data['out']}"


def _show_check(data: dict[str, Any]) -> str:
    return f"{', '.join(data['runs'])}: as it ships"
