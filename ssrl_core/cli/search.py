"""`search WISHES`: compositions that keep what shall be kept and lose what shall be ignored."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

from ssrl_core.cli.output import Tenths, leaf


def register(commands: Any) -> None:
    """Add `search WISHES`."""
    command = leaf(
        commands,
        "search",
        run=_run,
        show=_show,
        help="compositions that keep what you wish to keep and lose what shall be ignored",
        description="Forecast many compositions for the wishes of a file (docs/examples/wishes.yaml), and show a "
        "handful that differ: what each keeps, and its price. None is the best; each is for something. What was tried "
        "is kept: a search that was stopped goes on when it is run again.",
    )
    command.add_argument("wishes", metavar="WISHES", help="a YAML or JSON file: dataset, wishes: {NAME: keep|ignore}")
    command.add_argument("--candidates", type=int, metavar="N", help="how many are tried (default: the file's, or 200)")


def _run(args: argparse.Namespace) -> dict[str, Any]:
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


def _show(data: dict[str, Any]) -> str:
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
