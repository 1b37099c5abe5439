"""What concerns this installation: `fetch`, `demo`, `bench`, `diagnose`.

`fetch` gets official weights and image sets from the network, before anything needs them. `demo make` and `demo check`
make the finished example that ships in `models/demo` again, and compare. `bench` measures beside peers, from the
source tree's `bench/` folder. `diagnose` makes a bundle for a bug report, without images, names or paths in it.
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from ssrl_core import __version__, access, stores
from ssrl_core.cli.output import ProgressLines, leaf, table, to_stderr
from ssrl_core.errors import RunError, SpecError, SSRLError

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


def register_diagnose(commands: Any) -> None:
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
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, text in parts.items():
            bundle.writestr(name, hide(text))
    stores.replace(out, made.getvalue())
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


_ON_DEVICES = ("views", "training")


def register_bench(commands: Any) -> None:
    """Add `bench NAME`."""
    bench = leaf(
        commands, "bench", run=_bench, show=_show_bench, help="measure speed beside peers (in the source tree)"
    )
    bench.add_argument("name", metavar="NAME", help="which bench: views, lpips, training, …")
    bench.add_argument("--only", metavar="CASE", action="append", default=[], help="cases whose name has this part")
    bench.add_argument("--rounds", type=int, default=7, metavar="N", help="turns of ours and the peers (default: 7)")
    bench.add_argument(
        "--seconds", type=float, default=0.4, metavar="S", help="how long each runs in a turn (default: 0.4)"
    )
    bench.add_argument("--device", default="cpu", help="views, training: cpu (default), cuda or cuda:1")


def _bench(args: argparse.Namespace) -> list[dict[str, Any]]:
    module = _bench_named(args.name)
    for field, low in (("rounds", 1), ("seconds", 0.0)):
        if not low <= getattr(args, field) <= 1e4:
            raise SpecError.at("bench", f"--{field}", f"in {low:g}..10000", getattr(args, field), "Leave it out.")
    _check_device(args.device, args.name)
    measuring = importlib.import_module("bench.support.measuring")
    options = measuring.Options(args.rounds, args.seconds, tuple(args.only), args.device)
    found = []
    for item in module.measure(options):
        found.append(item.as_dict())
        to_stderr(_bench_line(found[-1]))
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


def _bench_named(name: str) -> Any:
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
    names = benches(root)
    if name not in names:
        raise SpecError.at("bench", "name", "a bench", name, "There is: " + ", ".join(names) + ".")
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    return importlib.import_module(f"bench.bench_{name}")


def benches(root: Path) -> list[str]:
    """Names of the benches of a source tree."""
    return sorted(path.stem.removeprefix("bench_") for path in (root / "bench").glob("bench_*.py"))


def _bench_line(item: dict[str, Any]) -> str:
    ratio = f"{item['ratio']:.1f} × {item['peer_name']}" if item["ratio"] is not None else ""
    return f"{item['case']}, {item['metric']}: {item['ours']:.4g} {item['unit']} {ratio}".rstrip()


def _show_bench(data: list[dict[str, Any]]) -> str:
    columns = ["case", "metric", "ours", "unit", "peer", "peer_name", "peer_version", "ratio", "threads"]
    return table(data, columns) if data else "no case has that name"


ARCHIVES = ("mnist", "cifar10", "cifar100")


def register_fetch(commands: Any) -> None:
    """Add the command."""
    parser = leaf(
        commands,
        "fetch",
        run=_fetch,
        show=_show_fetched,
        help="fetch weights (alexnet, vgg16, …) or image sets (mnist, cifar10, cifar100) from the network",
        description="Fetch ImageNet weights of a network, or an image set, from its official address. What came before "
        "a connection was cut is kept and gone on from. Without a name: what there is and what is here.",
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="a network or an image set; left out: list them")


def _fetch(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.runs import jobs

    if args.name is None:
        return {"files": [_standing(name) for name in _names()]}
    if args.name not in _names():
        raise SpecError.at("fetch", "NAME", "one of " + ", ".join(_names()), args.name, "See `fetch` without a name.")
    with jobs.Reporter() as told:
        report = ProgressLines(told)
        if args.name in ARCHIVES:
            from ssrl_core.datasets import store

            store.load(args.name, report=report)
        else:
            from ssrl_core.learning.backbones.weights import fetch_imagenet

            fetch_imagenet(args.name, report)
    return {"files": [_standing(args.name)]}


def _names() -> list[str]:
    from ssrl_core.specs.backbones import BACKBONES

    return list(dict.fromkeys(["alexnet", "vgg16", *(r.name for r in BACKBONES.values() if r.imagenet), *ARCHIVES]))


def _standing(name: str) -> dict[str, Any]:
    if name in ARCHIVES:
        from ssrl_core.datasets import store

        return {"name": name, "here": store.is_ready(name), "file": None}
    from ssrl_core.learning.backbones.weights import imagenet_file

    file = imagenet_file(name)
    return {"name": name, "here": file is not None, "file": None if file is None else str(file)}


def _show_fetched(data: dict[str, Any]) -> str:
    rows = data["files"]
    return "\n".join(f"{row['name']:12} {'here' if row['here'] else 'not here'}  {row['file'] or ''}" for row in rows)


def register_demo(commands: Any) -> None:
    """Add the commands."""
    actions = commands.add_parser("demo", help="the finished example that ships").add_subparsers(
        required=True, metavar="ACTION"
    )
    make = leaf(actions, "make", run=_make, show=_show_demo, help="make the example again (a few minutes)")
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


def _show_demo(data: dict[str, Any]) -> str:
    return f"{data['files']} files, {data['bytes'] / 1e6:.1f} MB: {data['out']}"


def _show_check(data: dict[str, Any]) -> str:
    return f"{', '.join(data['runs'])}: as it ships"
