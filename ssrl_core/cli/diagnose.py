"""`diagnose`: a bundle for a bug report, without images, names or paths in it."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from ssrl_core import __version__, access, stores
from ssrl_core.cli.output import leaf
from ssrl_core.errors import SSRLError

PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "scikit-learn",
    "numba",
    "pandas",
    "pyarrow",
    "streamlit",
    "plotly",
)
_TAIL, _MOST_RUNS = 200_000, 50
_SAID = ("state", "phase", "step", "steps", "progress", "attempt", "images_per_s", "device_memory_bytes", "versions")


def register(commands: Any) -> None:
    """Add the command."""
    command = leaf(
        commands,
        "diagnose",
        run=_diagnose,
        show=lambda data: f"{data['out']}: {data['files']} files, {data['bytes'] / 1e3:.0f} kB. Read it first.",
        help="a bundle for a bug report, without data in it",
        description="Versions, the machine, settings, states of the newest runs, what the worker said and what is "
        "damaged, in one zip. Images, embeddings, names, notes, specs and paths stay out: image sets and runs are "
        "numbered.",
    )
    command.add_argument("--out", type=Path, default=Path("viewloom-diagnosis.zip"), metavar="FILE", help="the zip")


def _diagnose(args: argparse.Namespace) -> dict[str, Any]:
    out = args.out.absolute()
    parts = {**dict(_parts()), "worker.log": _log()}
    hide = _hider()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, text in parts.items():
            bundle.writestr(name, hide(text))
    return {"out": str(out), "files": len(parts), "bytes": out.stat().st_size}


def _parts() -> Iterator[tuple[str, str]]:
    """Each part by itself: one that cannot be had says why."""
    for name, part in (
        ("machine.json", _machine),
        ("store.json", _store),
        ("settings.json", _settings),
        ("runs.json", _runs),
        ("damages.json", _damages),
    ):
        try:
            found: Any = part()
        except (SSRLError, OSError) as error:
            found = {"missing": str(error)}
        yield name, json.dumps(found, indent=1, default=str)


def _machine() -> dict[str, Any]:
    from ssrl_core.runs.queue.processes import cores

    def version(name: str) -> str | None:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            return None

    said = {name: value for name, value in os.environ.items() if name.endswith("_NUM_THREADS")}
    return {
        "viewloom": __version__,
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "cores": cores(),
        "threads": said,
        "packages": {name: version(name) for name in PACKAGES},
    }


def _store() -> dict[str, Any]:
    from ssrl_core.runs.queue import registry

    roots = {"models": stores.models_root(), "data": stores.data_root()}
    return {
        "runs": registry.counts(),
        "registry": registry.last_note(),
        "registry_bytes": registry.path().stat().st_size if registry.path().is_file() else None,
        "room": {name: stores.has_room(root) for name, root in roots.items()},
        "free_bytes": {name: shutil.disk_usage(root).free for name, root in roots.items()},
    }


def _settings() -> dict[str, Any]:
    from ssrl_core.runs.worker.engines.settings import load_settings

    engine, hosted = load_settings(), access.hosting()
    kind = engine.engine.partition("://")[0]
    hosting = {"sign_in": hosted.sign_in, "roots": len(hosted.roots), "hosts": len(hosted.hosts)}
    return {"engine": kind, "slots": engine.slots, "warm": engine.warm, "per_gpu": engine.per_gpu, "hosting": hosting}


def _runs() -> list[dict[str, Any]]:
    from ssrl_core.runs.folder.run_folder import RunFolder
    from ssrl_core.runs.queue import registry

    found = []
    for row in registry.list_runs(demo=False)[:_MOST_RUNS]:
        state = RunFolder.own(row["id"]).state()
        kind = (state.get("error") or {}).get("type")
        told = {name: state.get(name) for name in _SAID}
        listed = {name: row.get(name) for name in ("id", "method", "backbone", "wanted", "lost", "reason", "waits_for")}
        found.append({**listed, **told, "error": kind})
    return found


def _damages() -> list[dict[str, str]]:
    from ssrl_core.runs.folder.checking import damages
    from ssrl_core.runs.folder.run_folder import RunFolder
    from ssrl_core.runs.queue import registry

    ids = [row["id"] for row in registry.list_runs(demo=False)[:_MOST_RUNS]]
    return [{"run": run_id, **vars(one)} for run_id in ids for one in damages(RunFolder.own(run_id))]


def _log() -> str:
    """The end of what the worker said."""
    try:
        return (stores.models_root() / "coordinator.log").read_text(encoding="utf-8", errors="replace")[-_TAIL:]
    except OSError:
        return ""


def _hider() -> Callable[[str], str]:
    """Puts numbers in the place of runs and image sets, and leaves the places of stores, home and machine out."""
    from ssrl_core.datasets import store
    from ssrl_core.runs.queue import registry

    hidden: dict[str, str] = {}
    for number, row in enumerate(registry.list_runs(demo=False), 1):
        hidden[str(row["id"])] = f"run-{number}"
        if row.get("name"):
            hidden[str(row["name"])] = f"name-{number}"
    own = [name for name in store.names() if store.is_ready(name) and not store.is_made(name)]
    hidden |= {name: f"images-{number}" for number, name in enumerate(own, 1)}
    places = {str(stores.models_root()): "MODELS", str(stores.data_root()): "DATA", str(Path.home()): "~"}
    hidden |= places | {platform.node(): "HOST"}
    hidden = {one: by for one, by in hidden.items() if len(one) > 1}
    written = {json.dumps(one)[1:-1]: by for one, by in hidden.items()} | hidden
    pattern = re.compile("|".join(re.escape(one) for one in sorted(written, key=len, reverse=True)))
    paths = re.compile(r"(?<![\w.])/(?:home|root|Users|mnt|media|srv|data)/[^\s'\":,)]*")
    return lambda text: paths.sub("PATH", pattern.sub(lambda found: written[found[0]], text))
