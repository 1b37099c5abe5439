"""The second reading of an item: as the authors' earlier public code says what the paper leaves out.

Facts of IhabBendidi/IIC-SimCLR-MoCo-clusterer (2021), a predecessor of the paper: a pair is an image against one view
of it, crops are shares of the side and of one size for a run, jitter is part of the views of digits, and what is
clustered is an output of the momentum network. The presets `*-authors` say the views; a composition without one is read
alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ssrl_core.paper import bases
from ssrl_core.paper.item import EVERY_SCALE, NOT_RUN, SHOWN, VERDICTS, Item, Plan, Scale
from ssrl_core.specs.composition import load
from ssrl_core.specs.methods import METHODS
from ssrl_core.specs.presets_table import PRESETS_TABLE

READ = ("table-2", "table-3", "table-4", "table-8", "figure-4", "figure-6", "figure-7", "figure-8", "figure-12")
"""The items of digits and cells: the code is of these."""
SUFFIX = "-authors"
_PAIRS = (
    "The reading of the authors' earlier code, which is older than the paper: pairs are an image against one view of it"
)
_DIGITS = "; crops and margins are shares of the side, of one size for a run; jitter is part of the views."
_CELLS = ", the image turned and mirrored; the centre is 40 % of the side."
_TEACHER = " What is embedded is the output of the momentum network, or of the projector where a method has none."
_OTHER_IMAGES = (
    "† The two readings were measured on different images of the same kind (drawn or split anew in between): their "
    "verdicts can differ for that too."
)
_TURNED = [
    {"transform": "rotation", "p": 1.0, "degrees": 360.0, "fill": 0.0},
    {"transform": "horizontal_flip", "p": 0.5},
]


def with_reading(item: Item) -> Item:
    """The item with a plan `SCALE-authors` beside each of its plans, where the code says something of it."""
    if item.id not in READ:
        return item
    plans = dict(item.plans)
    for scale in EVERY_SCALE:
        if is_authors(scale) and base_of(scale) in item.plans:
            plans[scale] = _read_plan(item.plans[base_of(scale)], base_of(scale))
    return replace(item, plans=plans)


def base_of(scale: Scale) -> Scale:
    """`instant` of `instant-authors`."""
    return scale.removesuffix(SUFFIX)  # type: ignore[return-value]


def authors_of(scale: str) -> Scale:
    """`instant-authors` of `instant`."""
    return next(one for one in EVERY_SCALE if one == f"{scale}{SUFFIX}")


def is_authors(scale: str) -> bool:
    """Whether a scale is of the second reading."""
    return scale.endswith(SUFFIX)


def as_authors(data: Any) -> Any:
    """Plain data of a sweep with every composition read as the authors' code; names stay, so that items find them."""
    if isinstance(data, Mapping):
        if "steps" in data and "name" in data:
            return _read(data)
        return {key: _named(value) if str(key).endswith("composition") else as_authors(value)
                for key, value in data.items()}  # fmt: skip
    return [as_authors(one) for one in data] if isinstance(data, list) else data


def _named(value: Any) -> Any:
    """Where compositions stand by their names."""
    if isinstance(value, list):
        return [_named(one) for one in value]
    return as_authors(load(value).to_mapping()) if isinstance(value, str) else as_authors(value)


def _read(composition: Mapping[str, Any]) -> dict[str, Any]:
    """A composition's twin among the presets, else its steps in one view against the image, turned and mirrored."""
    name, size = str(composition["name"]), composition.get("size")
    if f"{name}{SUFFIX}" in PRESETS_TABLE:
        views = load(f"{name}{SUFFIX}").to_mapping()["views"]
    else:
        views = [{"name": "view", "steps": composition["steps"]}, {"name": "image", "steps": _TURNED}]
    made = [{**view, "count": 1, "size": size, "role": "global"} for view in views]
    return {"version": 1, "name": name, "views": made}


def _read_plan(plan: Plan, scale: str) -> Plan:
    cells = "mnist" not in plan.needs
    says = [plan.says, _PAIRS + (_CELLS if cells else _DIGITS) + ("" if scale == "instant" else _TEACHER)]
    measures: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for name, (kind, given) in plan.measures.items():
        if kind != "lpips_readings":
            measures[name] = (kind, _read_measure(given) if kind == "lpips" else given)
    return replace(plan, sweeps=lambda: _sweeps(plan.sweeps(), scale), measures=measures, says=" ".join(says))


def _sweeps(plain: Mapping[str, Mapping[str, Any]], scale: str) -> dict[str, Mapping[str, Any]]:
    """Every sweep under this reading; what is `unsolved` of another is so of its reading."""
    read: dict[str, Mapping[str, Any]] = {}
    for name, data in plain.items():
        other = name.removesuffix(bases.UNSOLVED)
        read[name] = bases.unsolved(read[other]) if other != name else _sweep(data, scale)
    return read


def _sweep(data: Mapping[str, Any], scale: str) -> dict[str, Any]:
    read: dict[str, Any] = as_authors(data)
    method = read["method"] if isinstance(read["method"], str) else read["method"]["name"]
    if scale != "instant" and method in METHODS:  # an untrained network has neither a teacher nor a head
        embed = "teacher" if METHODS[method].has_teacher else "head"
        read["evaluate"] = {**read["evaluate"], "embed": embed}
    return read


def _read_measure(given: Mapping[str, Any]) -> dict[str, Any]:
    return {**given, "compositions": {name: f"{name}{SUFFIX}" for name in given["compositions"]}}


def beside(scales: Sequence[str] = ("instant", "small")) -> list[dict[str, Any]]:
    """Each claim of digits and cells under both readings, one's own results or those that ship.

    Returns:
        [{id, scale, claim, paper, authors, other_images}], `paper` and `authors` as `Contrast.as_dict`; other_images:
        both were measured on image sets of the same names with other pixels or splits.
    """
    from ssrl_core.paper import running
    from ssrl_core.paper.items import ITEMS

    rows = []
    for name in READ:
        for scale in (scale for scale in EVERY_SCALE if scale in scales and scale in ITEMS[name].plans):
            pair = [running.shown(name, way) for way in (scale, authors_of(scale))]
            theirs = {one["claim"]: one for one in pair[1]["contrasts"]}
            images = [_images(found, name, scale) for found in pair]
            other = any(images[0][key] != images[1][key] for key in images[0].keys() & images[1].keys())
            rows += [
                {"id": name, "scale": scale, "claim": one["claim"], "paper": one, "authors": theirs[one["claim"]],
                 "other_images": other}
                for one in pair[0]["contrasts"] if one["claim"] in theirs
            ]  # fmt: skip
    return rows


def _images(found: Mapping[str, Any], name: str, scale: Scale) -> Mapping[str, str]:
    """Image set -> fingerprint: those that results were measured on, of one's own those that are here."""
    from ssrl_core.paper import running

    told: Mapping[str, str] | None = found.get("imagesets")
    return running.evidence(name, scale).imagesets() if told is None else told


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table for people: what was measured under either reading, and how many claims show."""
    known = [row for row in rows if NOT_RUN not in (row["paper"]["verdict"], row["authors"]["verdict"])]
    parts = [
        "# Two readings of the paper, claim by claim",
        "Where the paper is silent it can be read as its text stands, or as the authors' earlier public code does it: "
        "an image against one view, crops and margins of the side and of one size for a run, jitter in the views of "
        "digits, and (trained) the momentum network's output. Differences in the direction of the paper's claim, 95 % "
        "intervals over seeds.",
        *(_counted(known, scale) for scale in dict.fromkeys(row["scale"] for row in known)),
        _by_item(known),
        _lines(known),
        _OTHER_IMAGES if any(row["other_images"] for row in known) else "",
        f"{len(rows) - len(known)} more claims are not run under one of the two readings."
        if len(known) < len(rows)
        else "",
        "Again: `python -m ssrl_core paper run ITEM --scale instant`, with and without `--reading authors`, then "
        "`python -m ssrl_core paper readings --out docs/results`.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _counted(known: Sequence[Mapping[str, Any]], scale: str) -> str:
    there = [row for row in known if row["scale"] == scale]
    mine = [row for row in there if all(row[way]["low"] is not None for way in ("paper", "authors"))]
    if not mine:
        return ""
    said = {way: [row[way]["verdict"] for row in mine] for way in ("paper", "authors")}
    counts = {way: ", ".join(f"{v.count(kind)} {kind}" for kind in VERDICTS if kind in v) for way, v in said.items()}
    few = f" Without an interval: {len(there) - len(mine)}." if len(there) > len(mine) else ""
    different = len({(row["paper"]["difference"], row["authors"]["difference"]) for row in mine})
    if different < len(mine):
        few += f" Items share compositions: {different} of these differences are different numbers."
    return f"Scale {scale}, {len(mine)} claims: the text {counts['paper']}; the code {counts['authors']}.{few}"


def _by_item(known: Sequence[Mapping[str, Any]]) -> str:
    """Claims shown of each item under either reading, and which shows more."""
    lines = ["| item | scale | claims | shown by the text | shown by the code | more |", "|---|---|---|---|---|---|"]
    for name, scale in dict.fromkeys((row["id"], row["scale"]) for row in known):
        mine = [row for row in known if (row["id"], row["scale"]) == (name, scale)]
        text, code = (sum(row[way]["verdict"] == SHOWN for row in mine) for way in ("paper", "authors"))
        more = "the text" if text > code else "the code" if code > text else "equal"
        lines.append(f"| {name} | {scale} | {len(mine)} | {text} | {code} | {more} |")
    return "\n".join(lines)


def _lines(known: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| item | scale | claim | the paper's text | the authors' code |", "|---|---|---|---|---|"]
    for row in known:
        cells = [row["id"] + (" †" if row["other_images"] else ""), row["scale"], row["claim"]]
        lines.append(f"| {' | '.join([*cells, told(row['paper']), told(row['authors'])])} |")
    return "\n".join(lines)


def told(contrast: Mapping[str, Any]) -> str:
    """A claim's verdict with its difference and interval, or why there is none: `**shown** +0.28 (+0.23 to +0.34)`."""
    if contrast["difference"] is None:
        return f"**{contrast['verdict']}** {contrast['reason']}".rstrip()
    low, high = contrast["low"], contrast["high"]
    span = f" ({low:+.2f} to {high:+.2f})" if low is not None else " (one seed)"
    return f"**{contrast['verdict']}** {contrast['difference']:+.2f}{span}"
