"""Everything that one wants to know of a card, within eight minutes, each figure written down as soon as it is there.

    python -m bench.on_card --out FOLDER        # views.json and training.json; what was missing on standard error

The same as `bench views --device cuda` and `bench training --device cuda`, but what one of them has measured is kept
where the other fails or the time is over.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from bench.support.measuring import Options
from ssrl_core import stores

_MOST_S = 450.0


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--only", action="append", default=[])
    args = parser.parse_args()
    stores.prepare_caches()
    args.out.mkdir(parents=True, exist_ok=True)
    options = Options(args.rounds, args.seconds, tuple(args.only), args.device)
    return sum([_measured(name, options, args.out) for name in ("views", "training")])


def _measured(name: str, options: Options, out: Path) -> int:
    """1 where it failed."""
    found: list[dict[str, Any]] = []
    try:
        for item in importlib.import_module(f"bench.bench_{name}").measure(options):
            found.append(item.as_dict())
            (out / f"{name}.json").write_text(json.dumps(found, indent=1))
            print(f"{time.perf_counter() - _STARTED:5.0f} s  {item.case}: {item.ours:.4g} {item.unit}", flush=True)
            if time.perf_counter() - _STARTED > _MOST_S:
                print("the time is over", file=sys.stderr)
                break
    except Exception as error:  # noqa: BLE001 (what one bench cannot do must not take the other's figures)
        print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


_STARTED = time.perf_counter()
if __name__ == "__main__":
    raise SystemExit(main())
