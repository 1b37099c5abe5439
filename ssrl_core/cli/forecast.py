"""`forecast C`: what a composition will keep, before any training; `search WISHES`: those that keep what they shall."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

from ssrl_core.cli.output import Tenths, leaf, table
from ssrl_core.specs.backbones import BANKS, DEFAULT

_TELLS = 0.1  # R² or accuracy without any steps, below which a share says nothing


def register(commands: Any) -> None:
    """Add `forecast C --dataset D`."""
    command = leaf(
        commands,
        "forecast",
        run=_run,
        show=_show,
        help="what a composition will keep, in seconds and without training",
        description="Solve what a composition keeps of fixed features on one half of some images; read descriptors, "
        "columns and classes from the other half. Ranks are promised, not values: a trained network may differ.",
    )
    command.add_argument("composition", metavar="C", help="a preset, a saved name or a file")
    command.add_argument("--dataset", required=True, metavar="D", help="the image set")
    command.add_argument("--against", metavar="C2", help="a second composition to set beside")
    command.add_argument("--by-step", action="store_true", help="also leave out one step after another")
    command.add_argument("--images", type=int, default=1000, metavar="N", help="how many images (default: 1000)")
    command.add_argument("--views", type=int, default=8, metavar="V", help="views of each image (default: 8)")
    command.add_argument(
        "--bank",
        default=DEFAULT,
        metavar="B",
        help=f"{', '.join(BANKS)}, a backbone, timm/NAME or run:ID (default: {DEFAULT})",
    )
    command.add_argument("--seed", type=int, default=5, help="decides images, draws and features (default: 5)")
    command.add_argument(
        "--input",
        default="whole",
        choices=("whole", "fixed_steps"),
        help="embed whole images, or as the steps without chance leave them (a fixed centre crop)",
    )


def _run(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.forecast import forecast

    found = forecast(
        args.dataset,
        args.composition,
        against=args.against,
        by_step=args.by_step,
        images=args.images,
        views=args.views,
        bank=args.bank,
        seed=args.seed,
        input=args.input,
        progress=Tenths("forecast", every=3),
    )
    return found.to_json()


def _show(data: dict[str, Any]) -> str:
    lines = [
        f"{data['composition']} on {data['dataset']}: {data['images']} images, {data['views']} views of each, "
        f"bank {data['bank']}, {data['seconds']:.1f} s",
        data["sentence"],
        table([_row(row) for row in data["kept"]], _columns(data)),
    ]
    clusters = data["clusters"]
    if clusters["ami"] is not None:
        lines.append(f"{clusters['k']} clusters agree with the classes by AMI {clusters['ami']:.2f}")
    if data["classes"]:
        lines.append("classes, those that lose most first:\n" + table(_ranked(data["classes"]), _class_columns(data)))
    if data["pairs"]:
        said = [f"{row['a']} and {row['b']} {row['plain']:.0%} -> {row['confused']:.0%}" for row in data["pairs"][:5]]
        lines.append(f"taken for one another more often: {', '.join(said)}")
    for step in data["steps"]:
        lines.append(f"without step {step['place']} ({step['step']}): {_changes(step['kept'], data['kept'])}")
    lines += [f"! {text}" for text in data["guards"]]
    lines += [f"{name}: {why}" for name, why in data["missing"].items()]
    return "\n".join(
        [*lines, "(R² or accuracy on images that were not solved on; plain: without any steps; share: kept of plain)"]
    )


def _columns(data: dict[str, Any]) -> list[str]:
    return ["name", "kind", "kept", "interval", "plain", "share", *(["against"] if data["against"] else []), "icc"]


def _row(row: dict[str, Any]) -> dict[str, Any]:
    shown = {"kept": row["value"], "interval": f"{row['low']:.2f} to {row['high']:.2f}"}
    shown["share"] = f"{row['value'] / row['plain']:.0%}" if row["plain"] >= _TELLS else "–"
    return {**row, **{k: f"{v:.2f}" if isinstance(v, float) else v for k, v in {**row, **shown}.items()}}


def _class_columns(data: dict[str, Any]) -> list[str]:
    return ["name", "accuracy", "plain", *(["against"] if data["against"] else [])]


def _ranked(classes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known = [row for row in classes if row["accuracy"] is not None]
    return [_row_of_class(row) for row in sorted(known, key=lambda row: row["accuracy"] - row["plain"])]


def _row_of_class(row: dict[str, Any]) -> dict[str, Any]:
    return {key: f"{value:.2f}" if isinstance(value, float) else value for key, value in row.items()}


def _changes(kept: dict[str, float], rows: list[dict[str, Any]]) -> str:
    changes = [(row["name"], kept[row["name"]] - row["value"]) for row in rows if row["name"] in kept]
    large = [
        f"{name} {change:+.2f}" for name, change in sorted(changes, key=lambda c: -abs(c[1])) if abs(change) > 0.02
    ]
    return ", ".join(large[:5]) or "nothing changes by more than 0.02"


def register_search(commands: Any) -> None:
    """Add `search WISHES`."""
    command = leaf(
        commands,
        "search",
        run=_search,
        show=_show_search,
        help="compositions that keep what you wish to keep and lose what shall be ignored",
        description="Forecast many compositions for the wishes of a file (docs/examples/wishes.yaml), and show a "
        "handful that differ: what each keeps, and its price. None is the best; each is for something. What was tried "
        "is kept: a search that was stopped goes on when it is run again.",
    )
    command.add_argument("wishes", metavar="WISHES", help="a YAML or JSON file: dataset, wishes: {NAME: keep|ignore}")
    command.add_argument("--candidates", type=int, metavar="N", help="how many are tried (default: the file's, or 200)")


def _search(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.errors import Stopped
    from ssrl_core.forecast import search
    from ssrl_core.runs.jobs import Reporter
    from ssrl_core.specs.wishes import load_wishes

    with Reporter() as report:
        wishes = load_wishes(args.wishes)
        if args.candidates is not None:
            wishes = replace(wishes, candidates=args.candidates)
        try:
            return search(wishes.dataset, wishes, progress=Tenths("search", report)).to_json()
        except KeyboardInterrupt:
            raise Stopped("The search was stopped. What was tried is kept: the same command goes on.") from None


def _show_search(data: dict[str, Any]) -> str:
    wished = ", ".join(f"{name}: {wish}" for name, wish in data["wishes"].items())
    lines = [f"{data['dataset']} ({wished}): {data['tried']} compositions tried, {data['seconds']:.0f} s"]
    for number, found in enumerate(data["front"], 1):
        kept = ", ".join(f"{name} {found['kept'][name]:.0%}" for name in data["wishes"] if name in found["kept"])
        lost = ", ".join(f"{name} {share:.0%}" for name, share in list(found["price"].items())[:5])
        ami = found["clusters"]["ami"]
        lines += [
            f"{number}. {found['sentence']}",
            f"   keeps {kept}" + ("" if ami is None else f"; clusters agree with the classes by AMI {ami:.2f}"),
            f"   loses {lost or 'nothing else'}",
        ]
    lines += [f"! {note}" for note in data["notes"]]
    end = "(shares of what the same images tell without any steps; ranks are promised, not values; --json: as files)"
    return "\n".join([*lines, end])
