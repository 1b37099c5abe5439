"""What the worker does, as Prometheus reads it (text format 0.0.4): the queue, speeds, memory, GPUs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import processes, registry

STATES = ("queued", "submitted", "running", "done", "failed", "stopped")
_HELP = {
    "viewloom_runs": "Runs of the store by state.",
    "viewloom_worker_up": "Whether a worker looks after the store.",
    "viewloom_worker_memory_bytes": "Resident memory of the worker and of the processes that train for it.",
    "viewloom_run_images_per_second": "Images a second of a run that is learning.",
    "viewloom_run_progress_ratio": "Share of a run that is done.",
    "viewloom_run_device_memory_bytes": "Memory that a run holds on its GPU.",
    "viewloom_run_lost": "Whether a run that should run gives no sign of life.",
}


def prometheus() -> str:
    """The text; only ids of runs are in it, no names."""
    lines: list[str] = []
    last = ""
    for name, labels, value in _samples():
        if name != last:
            lines += [f"# HELP {name} {_HELP[name]}", f"# TYPE {name} gauge"]
            last = name
        told = ",".join(f'{key}="{word}"' for key, word in labels.items())
        lines.append(f"{name}{{{told}}} {value:.10g}" if told else f"{name} {value:.10g}")
    return "\n".join(lines) + "\n"


def _samples() -> Iterator[tuple[str, dict[str, str], float]]:
    counts = registry.counts()
    for state in STATES:
        yield "viewloom_runs", {"state": state}, counts.get(state, 0)
    about = processes.about()
    yield "viewloom_worker_up", {}, float(about is not None)
    yield "viewloom_worker_memory_bytes", {}, _memory(int(about["pid"])) if about else 0.0
    running = [run for run in registry.list_runs(demo=False) if run["state"] == "running"]
    states = [(run, RunFolder.own(run["id"]).state()) for run in running]
    for name, key in (
        ("viewloom_run_images_per_second", "images_per_s"),
        ("viewloom_run_progress_ratio", "progress"),
        ("viewloom_run_device_memory_bytes", "device_memory_bytes"),
    ):
        for run, said in states:
            yield name, {"run": run["id"]}, _number(said.get(key))
    for run, _ in states:
        yield "viewloom_run_lost", {"run": run["id"]}, float(run["lost"])


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _memory(pid: int) -> float:
    """Bytes of a process of this host and of those that it started."""
    import psutil

    total = 0.0
    try:
        worker = psutil.Process(pid)
        for one in (worker, *worker.children(recursive=True)):
            total += one.memory_info().rss
    except psutil.Error:  # it ended, or it is another user's
        pass
    return total
