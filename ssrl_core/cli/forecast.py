"""`forecast`: what a composition will keep, before any training."""

from __future__ import annotations

import argparse
from typing import Any

from ssrl_core.cli.output import Tenths, leaf, table
from ssrl_core.specs.feature_banks import BANKS, DEFAULT


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
        table([_row(row) for row in data["kept"]], _columns(data)),
    ]
    clusters = data["clusters"]
    if clusters["ami"] is not None:
        lines.append(f"{clusters['k']} clusters agree with the classes by AMI {clusters['ami']:.2f}")
    if data["classes"]:
        lines.append("classes, those that lose most first:\n" + table(_ranked(data["classes"]), _class_columns(data)))
    for step in data["steps"]:
        lines.append(f"without step {step['place']} ({step['step']}): {_changes(step['kept'], data['kept'])}")
    lines += [f"! {text}" for text in data["guards"]]
    lines += [f"{name}: {why}" for name, why in data["missing"].items()]
    return "\n".join([*lines, "(R² or accuracy on images that were not solved on; plain: without any steps)"])


def _columns(data: dict[str, Any]) -> list[str]:
    return ["name", "kind", "kept", "interval", "plain", *(["against"] if data["against"] else []), "icc"]


def _row(row: dict[str, Any]) -> dict[str, Any]:
    shown = {"kept": row["value"], "interval": f"{row['low']:.2f} to {row['high']:.2f}"}
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
