"""Calibrates the forecast: trains each case, forecasts it, and writes how well the forecast ordered them.

    python -m bench.calibration --store ~/calibration              # trains and forecasts what is missing, then writes
    python -m bench.calibration --store ~/calibration --only train # one of train, forecast, write
    python -m bench.calibration --places 3 --sets strokes --epochs 1 --limit-train 200 --images 200   # a try

A case is an image set, a composition and a seed (`cases.py`); trained and forecast are in the store, so that the same
command goes on after Ctrl+C, and several processes may share the trainings. MNIST, CIFAR-10 and cells are read from
`$SSRL_SHARED/data`.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.calibration.cases import IMAGES, Case, cases, longer_cases
from ssrl_core import stores
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.folder.state import DONE, LOCKED, PRE_EMPTED, STOPPED
from ssrl_core.runs.queue.identity import identify
from ssrl_core.specs.run import dump_run

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "ssrl_core" / "forecast" / "calibration.json"
PHASES = ("train", "forecast", "write")
Row = dict[str, Any]


def main(argv: list[str] | None = None) -> None:
    """The command."""
    args = _parser().parse_args(argv)
    if args.store:
        os.environ.update(SSRL_DATA=str(args.store / "data"), SSRL_MODELS=str(args.store / "models"))
    stores.prepare_caches()
    sets = {name: IMAGES[name] for name in args.sets}
    chosen = [case for case in cases(sets, rounds=args.rounds) if case.place < args.places]
    if args.longer:
        chosen += longer_cases(sets)
    for name, images in sets.items():
        _made(name, images.make)
    phases = [args.only] if args.only else list(PHASES)
    if "train" in phases:
        train(chosen, args)
    if "forecast" in phases:
        forecast(chosen, args)
    if "write" in phases:
        write(chosen, args)


def train(chosen: list[Case], args: argparse.Namespace) -> None:
    """Train every case that is not trained yet, one at a time; one that another process has is passed over.

    Raises:
        SystemExit: it was stopped.
    """
    from ssrl_core.runs.child.train import attempt, prepare

    prepare()
    for number, case in enumerate(chosen, 1):
        spec = case.spec(epochs=args.epochs, limit_train=args.limit_train)
        run_id = identify(spec).id
        if is_trained(run_id):
            continue
        folder, started = stores.runs_root() / run_id, time.monotonic()
        if not (folder / "spec.yaml").is_file():
            with suppress(FileNotFoundError):  # another process has just begun this one, and tidies its folder
                stores.replace(folder / "spec.yaml", dump_run(spec))
        code = attempt(folder, by_hand=True)
        if code in (STOPPED, PRE_EMPTED):
            raise SystemExit(f"stopped at {number} of {len(chosen)}; the same command goes on")
        ended = {DONE: "trained", LOCKED: "another process has it"}.get(code, f"failed, see {folder / 'log.txt'}")
        _say(number, chosen, case, f"{ended}, {time.monotonic() - started:.0f} s")


def is_trained(run_id: str) -> bool:
    """Whether a run has all that the calibration reads."""
    run = RunFolder.own(run_id)
    return run.exists and bool(run.results().entry("view"))


def forecast(chosen: list[Case], args: argparse.Namespace) -> None:
    """Forecast every composition that is not forecast yet; seeds of trainings share one."""
    from bench.calibration.rows import forecast_row

    for number, case in enumerate(chosen, 1):
        path = _forecast_path(case, args)
        if not path.is_file():
            started = time.process_time()
            row = forecast_row(case, images=args.images)
            stores.write_json(path, row | {"processor_s": round(time.process_time() - started, 1)})
            _say(number, chosen, case, f"forecast, {time.process_time() - started:.0f} s of the processor")


def write(chosen: list[Case], args: argparse.Namespace) -> None:
    """Write `forecast.json` and `forecast.md` of all cases that are trained and forecast; with `--ship` our numbers.

    Raises:
        SystemExit: too few compositions are there.
    """
    from bench.calibration.document import as_markdown
    from bench.calibration.measured import measured, shipped
    from bench.calibration.statistics import LEAST

    every = [(case, _row(case, args)) for case in chosen]
    rows = [row for _, row in every if row]
    compositions = Counter(name for name, _ in {(row["set"], row["composition"]) for row in rows})
    if max(compositions.values(), default=0) < LEAST:
        raise SystemExit(f"no image set has {LEAST} compositions that are trained and forecast: leave out --only")
    found = measured(rows)
    args.out.mkdir(parents=True, exist_ok=True)
    stores.write_json(args.out / "forecast.json", found)
    missing = [_state(case, args) for case, row in every if not row]
    measured_beside = args.out / "forecast-bench.json"
    beside = json.loads(measured_beside.read_bytes())["data"] if measured_beside.is_file() else []
    text = as_markdown(found, missing, beside)
    stores.replace(args.out / "forecast.md", text)
    if args.ship:
        stores.write_json(SHIPPED, shipped(found))


def _row(case: Case, args: argparse.Namespace) -> Row | None:
    """A case with what it was trained to and what was forecast of it; None where one of them is missing."""
    from bench.calibration.rows import trained_row

    spec, forecast_path = case.spec(epochs=args.epochs, limit_train=args.limit_train), _forecast_path(case, args)
    run_id = identify(spec).id
    if not is_trained(run_id) or not forecast_path.is_file():
        return None
    path = _folder() / "trained" / f"{run_id}.json"
    if not path.is_file():
        stores.write_json(path, trained_row(case, run_id))
    return {
        "set": case.images.name,
        "composition": case.name,
        "longer": case.longer,
        "spec": spec.to_mapping(),
        "trained": json.loads(path.read_bytes()),
        "forecast": json.loads(forecast_path.read_bytes()),
    }


def _state(case: Case, args: argparse.Namespace) -> Row:
    run = RunFolder.own(identify(case.spec(epochs=args.epochs, limit_train=args.limit_train)).id)
    return {"set": case.images.name, "composition": case.name, "seed": case.seed, "state": run.state()["state"]}


def _folder() -> Path:
    return stores.models_root() / "calibration"


def _forecast_path(case: Case, args: argparse.Namespace) -> Path:
    return _folder() / "forecast" / f"{case.images.name}-{case.name}-{args.images}.json"


def _made(name: str, make: Callable[[], object]) -> None:
    from ssrl_core.datasets import store

    if not store.is_ready(name):
        print(f"making {name}", flush=True)
        make()


def _say(number: int, chosen: list[Case], case: Case, text: str) -> None:
    print(f"{number}/{len(chosen)} {case.images.name}, {case.name}, seed {case.seed}: {text}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m bench.calibration", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", type=Path, help="a folder of its own for images and runs (else the usual stores)")
    parser.add_argument("--sets", nargs="+", default=list(IMAGES), choices=list(IMAGES), metavar="SET")
    parser.add_argument("--places", type=int, default=8, metavar="N", help="the first N compositions of each set")
    parser.add_argument("--rounds", type=int, default=1, choices=(1, 2, 3), help="networks of each composition")
    parser.add_argument("--longer", action="store_true", help="also train the first two compositions twice as long")
    parser.add_argument("--epochs", type=int, help="other than the table's")
    parser.add_argument("--limit-train", type=int, help="other than the table's")
    parser.add_argument("--images", type=int, default=1000, help="that a forecast takes")
    parser.add_argument("--only", choices=PHASES)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results")
    parser.add_argument("--ship", action="store_true", help="also write the numbers that pages say")
    return parser


if __name__ == "__main__":
    main()
