"""`bench`: measurements beside peers, from the source tree's `bench/` folder."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

from ssrl_core import stores
from ssrl_core.cli.output import leaf, table, to_stderr
from ssrl_core.errors import SpecError

_ON_DEVICES = ("views", "training")


def register(commands: Any) -> None:
    """Add `bench NAME`."""
    bench = leaf(commands, "bench", run=_run, show=_show, help="measure speed beside peers (in the source tree)")
    bench.add_argument("name", metavar="NAME", help="which bench: views, lpips, training, …")
    bench.add_argument("--only", metavar="CASE", action="append", default=[], help="cases whose name has this part")
    bench.add_argument("--rounds", type=int, default=7, metavar="N", help="turns of ours and the peers (default: 7)")
    bench.add_argument(
        "--seconds", type=float, default=0.4, metavar="S", help="how long each runs in a turn (default: 0.4)"
    )
    bench.add_argument("--device", default="cpu", help="views, training: cpu (default), cuda or cuda:1")


def _run(args: argparse.Namespace) -> list[dict[str, Any]]:
    module = _load(args.name)
    for field, low in (("rounds", 1), ("seconds", 0.0)):
        if not low <= getattr(args, field) <= 1e4:
            raise SpecError.at("bench", f"--{field}", f"in {low:g}..10000", getattr(args, field), "Leave it out.")
    _check_device(args.device, args.name)
    measuring = importlib.import_module("bench.support.measuring")
    options = measuring.Options(args.rounds, args.seconds, tuple(args.only), args.device)
    found = []
    for item in module.measure(options):
        found.append(item.as_dict())
        to_stderr(_line(found[-1]))
    return found


def _check_device(device: str, name: str) -> None:
    if device == "cpu":
        return
    if name not in _ON_DEVICES:
        raise SpecError.at(
            "bench", "--device", f"cpu for {name}", device, f"On a card there is: {', '.join(_ON_DEVICES)}."
        )
    from ssrl_core.learning.devices import pick_device

    pick_device(device)


def _load(name: str) -> Any:
    """The module of a bench.

    Raises:
        SpecError: no `bench/` folder beside the package, or no bench of that name.
    """
    root = stores.source_root()
    if root is None or not (root / "bench").is_dir():
        raise SpecError.at(
            "bench",
            "bench",
            "run from a source tree",
            "an installed package",
            "Fetch the sources: their folder `bench/` and requirements-dev.txt are needed.",
        )
    names = known(root)
    if name not in names:
        raise SpecError.at("bench", "name", "a bench", name, "There is: " + ", ".join(names) + ".")
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    return importlib.import_module(f"bench.bench_{name}")


def known(root: Path) -> list[str]:
    """Names of the benches of a source tree."""
    return sorted(path.stem.removeprefix("bench_") for path in (root / "bench").glob("bench_*.py"))


def _line(item: dict[str, Any]) -> str:
    ratio = f"{item['ratio']:.1f} × {item['peer_name']}" if item["ratio"] is not None else ""
    return f"{item['case']}, {item['metric']}: {item['ours']:.4g} {item['unit']} {ratio}".rstrip()


def _show(data: list[dict[str, Any]]) -> str:
    columns = ["case", "metric", "ours", "unit", "peer", "peer_name", "peer_version", "ratio", "threads"]
    return table(data, columns) if data else "no case has that name"
