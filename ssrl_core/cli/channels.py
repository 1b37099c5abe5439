"""`data channels`: names, colours and display windows of an image set's channels, shown and changed."""

from __future__ import annotations

import argparse
from typing import Any

from ssrl_core.cli.output import leaf, table
from ssrl_core.cli.pairs import names_in
from ssrl_core.errors import SpecError

_WHERE = "data channels"


def register_channels(data: Any) -> None:
    """Add `data channels` to the actions of `data`."""
    channels = leaf(
        data,
        "channels",
        run=_channels,
        show=_show,
        help="show or change the names, colours and display windows of an image set's channels",
        description=(
            "Without options they are shown. Pixels stay as they are, and so does what was trained on them; a run that "
            "names its channels (dataset.channels) must name the new ones."
        ),
    )
    channels.add_argument("name", metavar="N", help="the image set's name")
    channels.add_argument(
        "--names", metavar="A,B,C", help="a name for each channel, in their order; one with a comma in quotes"
    )
    channels.add_argument("--colours", metavar="#RRGGBB,…", help="a colour for each channel, in their order")
    channels.add_argument(
        "--windows",
        metavar="LOW:HIGH,…",
        help="pixel values shown black and full, for each channel; auto = by percentiles of the images",
    )


def _channels(args: argparse.Namespace) -> dict[str, Any]:
    from ssrl_core.datasets import store
    from ssrl_core.datasets.channels import as_json, changed

    imageset = store.load(args.name)
    names = names_in(args.names, where=_WHERE, field="--names") if args.names is not None else None
    colours, windows = _parts(args.colours), _windows(args.windows)
    if any(value is not None for value in (names, colours, windows)):
        shown = changed(imageset.channels, names=names, colours=colours, windows=windows, where=_WHERE)
        imageset = store.set_channels(args.name, shown)
    return {"name": imageset.name, "channels": as_json(imageset.channels)}


def _show(item: dict[str, Any]) -> str:
    rows = [
        {
            "channel": channel["name"],
            "colour": channel["colour"],
            "black..full": "{:g}..{:g}".format(*channel["window"]) if "window" in channel else "auto",
        }
        for channel in item["channels"]
    ]
    return table(rows, ["channel", "colour", "black..full"])


def _parts(text: str | None) -> list[str] | None:
    return [part.strip() for part in text.split(",")] if text is not None else None


def _windows(text: str | None) -> list[tuple[float, float] | None] | None:
    parts = _parts(text)
    return [None if part == "auto" else _window(part) for part in parts] if parts is not None else None


def _window(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(":"))
    except ValueError:
        raise SpecError(where=_WHERE, field="--windows", rule="LOW:HIGH or auto", value=text) from None
    return low, high
