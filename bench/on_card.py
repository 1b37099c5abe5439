"""Everything that one wants to know of a card, within eight minutes, each figure written down as soon as it is there.

    python -m bench.on_card --out FOLDER        # card.json, views.json, training.json, and the table on the screen
    python -m bench.on_card --out FOLDER --dry  # the same parts with few small pictures, in a minute; on a CPU too

The same as `bench views --device cuda` and `bench training --device cuda`, but what one of them has measured is kept
where the other fails or the time is over.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from bench import bench_views
from bench.support import images
from bench.support.measuring import Item, Options
from bench.support.on_device import training_items
from ssrl_core import stores
from ssrl_core.errors import SpecError
from ssrl_core.learning.devices import pick_device

_MOST_S = 465
_PICTURES, _BATCH = 4096, 256
_DRY_PICTURES, _DRY_BATCH, _DRY_S = 16, 2, 0.01


def main(words: list[str] | None = None) -> int:
    """The command; 2 where there is no such device, 1 where something failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--dry", action="store_true", help="tries every part with little; its figures mean nothing")
    args = parser.parse_args(words)
    try:
        device = pick_device(args.device)
    except SpecError as error:
        print(error.message, file=sys.stderr)
        return 2
    stores.prepare_caches()
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "card.json").write_text(json.dumps(about(device), indent=1))
    options = Options(args.rounds, args.seconds, tuple(args.only), str(device))
    return _within(_MOST_S, lambda: max(_measured(name, make(), args.out) for name, make in _parts(options, args.dry)))


def about(device: torch.device) -> dict[str, Any]:
    """What the card and its software are called."""
    found: dict[str, Any] = {"device": str(device), "torch": torch.__version__, "cuda": torch.version.cuda}
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        found |= {"name": card.name, "bytes": card.total_memory, "capability": f"{card.major}.{card.minor}"}
    return found


def _parts(options: Options, dry: bool) -> Iterator[tuple[str, Callable[[], Iterator[Item]]]]:
    pictures, batch = (_DRY_PICTURES, _DRY_BATCH) if dry else (_PICTURES, _BATCH)
    options = replace(options, rounds=1, seconds=_DRY_S) if dry else options
    yield "views", lambda: bench_views.on_device(options, most=pictures)
    yield "training", lambda: training_items("training", images.cifar_32(pictures), "resnet18", batch, options)


def _measured(name: str, items: Iterator[Item], out: Path) -> int:
    """1 where it failed."""
    found: list[dict[str, Any]] = []
    try:
        for item in items:
            found.append(item.as_dict())
            (out / f"{name}.json").write_text(json.dumps(found, indent=1))
            print(line(item), flush=True)
    except TimeoutError:
        raise
    except Exception as error:  # noqa: BLE001 (what one bench cannot do must not take the other's figures)
        print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def line(item: Item) -> str:
    """A row of the table: seconds since the start, case, figure, and how many times the peer's."""
    beside = "" if item.ratio is None else f"{item.ratio:8.2f} × {item.peer_name}"
    return f"{time.perf_counter() - _STARTED:5.0f} s  {item.case:<52} {item.ours:12.4g} {item.unit:<10}{beside}"


def _within(seconds: int, work: Callable[[], int]) -> int:
    """The work, ended once the time is over: a compiler may sit longer over one figure than there is."""
    if not hasattr(signal, "SIGALRM"):
        return work()

    def over(number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    try:
        return work()
    except TimeoutError:
        print("the time is over; what was measured is kept", file=sys.stderr)
        return 0
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


_STARTED = time.perf_counter()
if __name__ == "__main__":
    raise SystemExit(main())
