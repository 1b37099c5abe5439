"""Curves, settings and results of a run for TensorBoard or MLflow, during the run or after it, where installed.

Written anew each time from the run folder, so that it can be called as often as one likes; no run depends on it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ssrl_core.errors import SpecError
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.specs.parts import PARTS
from ssrl_core.specs.yaml_files import flat

TRACKERS = ("tensorboard", "mlflow")
_CURVES = ("loss", "lr", "z_std", "effective_rank", "images_per_s", "knn_top1")
_MOST_TEXT = 500  # MLflow's limit


def track(run: RunFolder, to: str, out: Path) -> dict[str, Any]:
    """Write a run for a tracker.

    Args:
        to: `tensorboard` (event files in `out/<run>`) or `mlflow` (a run in the store `out`).

    Returns:
        {run, to, out, points: number of values written}.

    Raises:
        SpecError: an unknown tracker, one that is not installed, or no such run.
    """
    if to not in TRACKERS:
        raise SpecError.at("track", "to", "one of " + ", ".join(TRACKERS), to, "Choose one of these.")
    require(to)
    write = {"tensorboard": _tensorboard, "mlflow": _mlflow}[to]
    return {"run": run.id, "to": to, "out": str(out), "points": write(run.require(), out)}


def require(to: str) -> None:
    """Refuse a tracker that is not installed.

    Raises:
        SpecError: with the remedy.
    """
    if importlib.util.find_spec(to) is None:
        raise SpecError.at("track", "to", "installed", to, f"Run `pip install {to}`; it is not needed else.")


def points(run: RunFolder) -> Iterator[tuple[str, int, float]]:
    """(name, step, value) of every curve, in the order of the steps."""
    metrics = run.metrics()
    for name in _CURVES:
        if name in metrics:
            known = metrics[["step", name]].dropna()
            for step, value in zip(known["step"], known[name], strict=True):
                yield f"train/{name}" if name != "knn_top1" else "val/knn_top1", int(step), float(value)


def scores(run: RunFolder) -> dict[str, float]:
    """Results as flat numbers: `knn/top1`, `clusters/10/ami` …; without classes and confusion."""
    results = {name: value for name, value in run.results().data.items() if name in PARTS}
    return {
        name.replace(".", "/"): float(value)
        for name, value in flat(results).items()
        if isinstance(value, int | float) and not {"classes", "confusion", "sizes"} & set(name.split("."))
    }


def _tensorboard(run: RunFolder, out: Path) -> int:
    from torch.utils.tensorboard import SummaryWriter

    folder = out / run.id
    older = {*folder.glob("events.out.tfevents.*")}
    try:
        writer: Any = SummaryWriter(str(folder))  # type: ignore[no-untyped-call]
        writer.add_text("spec", "    " + (run.path / "spec.yaml").read_text(encoding="utf-8").replace("\n", "\n    "))
        count = _each(points(run), lambda name, step, value: writer.add_scalar(name, value, step))
        last = int(run.state()["step"] or 0)
        results = ((f"results/{name}", last, value) for name, value in scores(run).items())
        count += _each(results, lambda name, step, value: writer.add_scalar(name, value, step))
        writer.close()
    except BaseException as error:
        for new in {*folder.glob("events.out.tfevents.*")} - older:
            new.unlink()
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(folder)
        raise
    for old in older:
        old.unlink()
    return count


def _mlflow(run: RunFolder, out: Path) -> int:
    import mlflow

    client: Any = mlflow.MlflowClient(tracking_uri=out.absolute().as_uri())
    experiment = client.get_experiment_by_name("viewloom")
    experiment_id = experiment.experiment_id if experiment else client.create_experiment("viewloom")
    older = client.search_runs([experiment_id], f"tags.viewloom_run = '{run.id}'")
    made = client.create_run(experiment_id, tags={"viewloom_run": run.id}, run_name=run.id)
    for name, value in flat(run.spec().to_mapping()).items():
        client.log_param(made.info.run_id, name, str(value)[:_MOST_TEXT])
    count = _each(points(run), lambda name, step, value: client.log_metric(made.info.run_id, name, value, step=step))
    results = ((f"results/{name}", 0, value) for name, value in scores(run).items())
    count += _each(results, lambda name, step, value: client.log_metric(made.info.run_id, name, value, step=step))
    client.set_terminated(made.info.run_id)
    for old in older:  # not before: what is written now may not find room
        client.delete_run(old.info.run_id)
    return count


def _each(items: Iterator[tuple[str, int, float]], write: Callable[[str, int, float], Any]) -> int:
    count = 0
    for name, step, value in items:
        write(name, step, value)
        count += 1
    return count
