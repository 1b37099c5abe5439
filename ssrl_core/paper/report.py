"""Published and ours side by side, and the comparison as files to keep."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ssrl_core import __version__, stores
from ssrl_core.errors import DataError, SSRLError, not_written
from ssrl_core.paper import bases, running, solved, words
from ssrl_core.paper.authors import base_of, is_authors
from ssrl_core.paper.evidence import Evidence, packed
from ssrl_core.paper.item import Scale
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.specs.yaml_files import dump_yaml

_SHORT_LIST = re.compile(r"\[[^\[\]{}\"]*\]")
"""A list of numbers, which stands on one line."""


def write(name: str, scale: Scale, folder: Path) -> dict[str, str]:
    """Write `<id>-<scale>.json` and `.md` into a folder.

    Returns:
        {json, markdown}: the paths.

    Raises:
        DataError: a place where no folder can be.
        RunError: the disk takes nothing.
    """
    found = document(name, scale)
    paths = {"json": folder / f"{name}-{scale}.json", "markdown": folder / f"{name}-{scale}.md"}
    try:
        text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False)
        stores.replace(paths["json"], _SHORT_LIST.sub(lambda found: " ".join(found[0].split()), text) + "\n")
        stores.replace(paths["markdown"], markdown(found))
    except OSError as error:
        told = DataError.at(str(folder), "folder", "one that can be written", error.strerror)
        raise not_written(error) or told from error
    return {kind: str(path) for kind, path in paths.items()}


def document(name: str, scale: Scale) -> dict[str, Any]:
    """`running.compare` with the specs of its sweeps, its measurements, image sets, and what the runs took."""
    found = running.compare(name, scale)
    evidence = running.evidence(name, scale)
    return (
        found
        | {
            "version": 1,
            "viewloom": __version__,
            "sweeps": {label: {**data, "name": label} for label, data in evidence.plan.sweeps().items()},
            "measures": {
                label: {"kind": kind, "parameters": dict(parameters), "data": evidence.measure(label)}
                for label, (kind, parameters) in evidence.plan.measures.items()
            },
            "runs": _runs(evidence),
            "imagesets": evidence.imagesets(),
        }
        | (_of_solved(evidence) if evidence.is_solved else {})
    )


def markdown(found: dict[str, Any]) -> str:
    """The document for people."""
    parts = [f"# {found['id']} ({found['scale']}): {found['title']}", f"The paper: {found['claim']}"]
    parts += [f"These results are {solved.IS_SOLVED}."] if base_of(found["scale"]) == "instant" else []
    parts.append(f"**{found['verdict']}**")
    parts += [f"- {c['verdict']}: {c['claim']}. {_contrast_words(c)}".rstrip() for c in found["contrasts"]]
    parts.append(_table(found["rows"]))
    parts += [text for text in (found["says"], found["note"].replace("\n", "\n\n"), found["conflicts"]) if text]
    parts.append(_budget(found["runs"]))
    parts += [f"Image set `{name}`: fingerprint `{key[:16]}`." for name, key in found["imagesets"].items()]
    parts += [f"```yaml\n{dump_yaml(data)}```" for data in found["sweeps"].values()]
    again = f"python -m ssrl_core paper run {found['id']} {options(found['scale'])}"
    parts.append(f"Again: `{again}`, then `{again.replace(' run ', ' compare ')}`.")
    return "\n\n".join(part for part in parts if part) + "\n"


def options(scale: Scale) -> str:
    """Of a command, for a scale: `--scale instant --reading authors`."""
    return f"--scale {base_of(scale)}" + (" --reading authors" if is_authors(scale) else "")


def _contrast_words(c: dict[str, Any]) -> str:
    if c["difference"] is None:
        return str(c["reason"])
    span = f", 95 % {c['low']:+.3f} to {c['high']:+.3f}" if c["low"] is not None else ""
    n = " and ".join(str(seeds) for seeds in c["n"] if seeds)
    return f"{c['difference']:+.3f} {c['unit']}{span}, n = {n}. {c['reason']}".rstrip()


def _table(rows: list[dict[str, Any]]) -> str:
    lines = ["| row | column | published | ours | sd | n |", "|---|---|---|---|---|---|"]
    for row in sorted(rows, key=lambda row: row["ours"] is None):  # what was measured first
        cells = [_cell(row[name]) for name in ("row", "column", "published", "ours", "sd", "n")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) if rows else ""


def _cell(value: Any) -> str:
    return "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def _budget(runs: list[dict[str, Any]]) -> str:
    done = [run for run in runs if run["seconds"]]
    if not done:
        return ""
    seconds = sum(sum(v or 0 for v in run["seconds"].values()) for run in done)
    seeds = sorted({run["seed"] for run in done})
    if "solve" in done[0]["seconds"]:
        return (
            f"{len(done)} compositions and seeds ({seeds}) in {seconds:.0f} s of a processor; not trained but solved."
        )
    return f"Budget: {len(done)} runs, {seconds / 60:.0f} min in all on {done[0]['device']}; seeds {seeds}."


def _runs(evidence: Evidence) -> list[dict[str, Any]]:
    """Every run that is done: id, seed, seconds of each phase, device, versions."""
    if evidence.is_solved:
        return _solved_ones(evidence)
    out = []
    for name in evidence.specs:
        table = evidence.results(name)
        for run_id in [] if table.empty else table.loc[table["state"] == "done", "run"]:
            out.append({"sweep": name, **_run(str(run_id))})
    return out


def _of_solved(evidence: Evidence) -> dict[str, Any]:
    """What charts need of solved sweeps, and with which versions they were solved."""
    from ssrl_core.runs.child.train import versions

    return {"versions": versions(), "tables": {name: packed(evidence, name) for name in evidence.specs}}


def _solved_ones(evidence: Evidence) -> list[dict[str, Any]]:
    """Every composition and seed, each once."""
    found = {
        run: {"sweep": name, "id": run, "seed": seed, "seconds": {"solve": took}, "device": "cpu"}
        for name, spec in evidence.specs.items()
        for run, seed, took in solved.seconds(spec)
    }
    return list(found.values())


def _run(run_id: str) -> dict[str, Any]:
    run = RunFolder(run_id)
    try:
        state, results = run.state(), run.results()
        seed = run.spec().seed
    except SSRLError:
        return {"id": run_id, "seed": None, "seconds": None, "device": None, "versions": None}
    named = {"device": state["device"], "versions": state["versions"]}
    return {"id": run_id, "seed": seed, "seconds": results.seconds or None, **named}


Key = tuple[str, str]

_ROWS = {
    "table-3": {
        "cells-first-set": "first_set · moco_v2 vgg13",
        "cells-second-set": "second_set · moco_v2 vgg13",
        "ImageNet vgg16": "ImageNet vgg16",
    },
    "table-4": {
        "cells-figure6-left + cells-figure6-right": "weighted · moco_v2 vgg13",
        "ImageNet vgg16": "ImageNet vgg16",
    },
}
_NO_GROUP = "Images as the fixed steps leave them"
_NETWORKS = {"table-8": {"tiny_cnn": "vgg11"}}
_ALIKE = (
    "Not measured on the same images: MoCo v2 with VGG13 on the paper's crops of the compound that acts alike "
    "(destabilizers: nocodazole; actin disruptors: cytochalasin B; stabilizers: taxol)."
)
NEAREST_SAID = {
    "table-3": _ALIKE,
    "table-4": _ALIKE,
    "table-7": "Of the 100 classes of CIFAR-100 with ResNet18; ours are of 10 classes with a tiny network.",
    "table-8": "Not measured with the same network: VGG11.",
}


def nearest_meaning(item: str) -> str:
    """What ≈ means for an item."""
    return NEAREST_SAID.get(item, "Not measured like that here: the paper's network, images and length of training.")


@dataclass(frozen=True)
class Cell:
    """One place of a table.

    Attributes:
        published: of the paper. nearest: it belongs to another network or other images (`nearest_said`).
        ours, sd, n: of the runs here.
    """

    published: float | None = None
    ours: float | None = None
    sd: float | None = None
    n: int = 0
    nearest: bool = False


@dataclass(frozen=True)
class Block:
    """A table: rows and columns in their order, and a cell where there is one.

    Attributes:
        group: what all its rows are about, a set of images or a sweep; "" where an item has only one.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: Mapping[Key, Cell]
    group: str = ""

    @property
    def has_nearest(self) -> bool:
        """Whether a published number is only the nearest one."""
        return any(cell.nearest for cell in self.cells.values())


def measured(item: str, rows: Sequence[Mapping[str, Any]], scale: str = "full") -> list[Block]:
    """What was measured here, each with its published number or the nearest there is.

    Args:
        rows: of `running.compare`. scale: of all but `full` every published number is only the nearest one.
    """
    published = {(row["row"], row["column"]): row["published"] for row in rows}
    cells = {}
    for row in rows:
        if row["ours"] is None:
            continue
        key = (str(row["row"]), str(row["column"]))
        near = None if row["published"] is not None else nearest(item, key, published)
        value = row["published"] if near is None else near
        other = value is not None and (near is not None or scale != "full")
        cells[key] = Cell(value, row["ours"], row["sd"], row["n"], other)
    return _grouped(item, cells)


def published_only(rows: Sequence[Mapping[str, Any]]) -> list[Block]:
    """Published numbers that were not measured here."""
    return _blocks(
        {
            (str(row["row"]), str(row["column"])): Cell(row["published"])
            for row in rows
            if row["ours"] is None and row["published"] is not None
        }
    )


def tables(blocks: Sequence[Block]) -> list[list[Block]]:
    """Blocks that stand below one heading, since they have the same columns."""
    found: list[list[Block]] = []
    for block in blocks:
        home = next((table for table in found if block.group and block.columns == table[0].columns), None)
        if home is None:
            found.append([block])
        else:
            home.append(block)
    return found


def kinds(blocks: Sequence[Block]) -> list[tuple[str, str]]:
    """(column, published | ours) of what a table holds, in order."""
    there = {(key[1], kind) for block in blocks for key, cell in block.cells.items() for kind in _kinds_of(cell)}
    return [one for column in blocks[0].columns for one in ((column, "published"), (column, "ours")) if one in there]


def has_both(blocks: Sequence[Block]) -> bool:
    """Whether a table holds published numbers and ours."""
    return len({kind for _, kind in kinds(blocks)}) == 2


def _kinds_of(cell: Cell) -> list[str]:
    return [kind for kind in ("published", "ours") if getattr(cell, kind) is not None]


def lines(block: Block) -> list[tuple[str, str]]:
    """What stands at the left of each line, and which row that is; the name of a group has none, and a group of one
    row is that row."""
    group, rows = words.row_name(block.group), [(words.row_name(name), name) for name in block.rows]
    if not block.group:
        return rows
    return [(group, block.rows[0])] if len(rows) == 1 else [(group, ""), *rows]


def usual_n(item: str, blocks: Sequence[Block], column: str) -> str:
    """What most numbers of a column were counted over, which its heading says once: `n = 5 seeds`."""
    every = [
        words.sample_size(item, column, cell.n)
        for block in blocks
        for key, cell in block.cells.items()
        if key[1] == column and cell.ours is not None
    ]
    return max(every, key=every.count, default="")


def reach(contrasts: list[dict[str, Any]], unit: str) -> float:
    """The farthest end of all intervals of a unit, so that their lines can be compared."""
    ends = [abs(c[end]) for c in contrasts for end in ("low", "high", "difference") if c["unit"] == unit and c[end]]
    return max(ends, default=1.0) * 1.05


def cell_words(item: str, row: str, column: str, cell: Cell | None, kind: str, n_said: str = "") -> str:
    """A cell in words: `≈ 0.37` or `0.407 ± 0.032 (n = 5 seeds)`; "" where there is none.

    Args:
        kind: published | ours. n_said: what the heading says already (`usual_n`).
    """
    if cell is None or getattr(cell, kind) is None:
        return ""
    unit = words.unit(item, row, column)
    if kind == "published":
        return words.published(float(cell.published or 0), unit, nearest=cell.nearest)
    n = words.sample_size(item, column, cell.n)
    return words.spread(float(cell.ours or 0), cell.sd, unit) + ("" if n == n_said else f" ({n})")


def nearest(item: str, key: Key, published: Mapping[Key, float | None]) -> float | None:
    """The published number that comes nearest to one that was measured here; None where there is none.

    Args:
        key: row and column. published: by row and column.
    """
    row = _ROWS.get(item, {}).get(key[0], key[0])
    measured_on = key[1].removesuffix(", AMI with treatment")
    column = _NETWORKS.get(item, {}).get(key[1], bases.LIKE.get(measured_on, key[1]))
    return published.get((row, column))


_CELLS = (
    "AMI with treatment",
    "AMI with response (K = 4)",
    "AMI with many neighbours (K = 2)",
    "neighbours explained (K = 4)",
    "top-1",
)
_GROUP_FIRST = re.compile(rf"(?P<group>.*?)(?:, (?P<quantity>{'|'.join(map(re.escape, _CELLS))}))?")
_GROUP_LAST = re.compile(r"(?P<quantity>[^,]*)(?:, (?P<group>.*))?")
_OF_SWEEP = re.compile(r"(?P<quantity>.*?)(?:, (?P<group>(?:hue|jitter probability|crop size|flip probability) .*))?")
_COLUMNS_OF = {
    "table-3": _GROUP_FIRST,
    "table-4": _GROUP_FIRST,
    "figure-1": _OF_SWEEP,
    "figure-2": _OF_SWEEP,
    "figure-6": _GROUP_LAST,
    "figure-8": _GROUP_LAST,
    "figure-11": _OF_SWEEP,
}
"""How a column names what it holds, and of which images or sweep."""


def _grouped(item: str, cells: Mapping[Key, Cell]) -> list[Block]:
    """Blocks, one below another where an item measures the same of several sets of images or sweeps."""
    way = _COLUMNS_OF.get(item)
    if way is None:
        return _blocks(cells)
    groups: dict[str, dict[Key, Cell]] = {}
    for (row, column), cell in cells.items():
        found = way.fullmatch(column)
        assert found is not None  # every part of these patterns may be missing
        groups.setdefault(found["group"] or "", {})[row, found["quantity"] or "ami"] = cell
    if len(groups) < 2 or len({column for one in groups.values() for _, column in one}) < 2:
        return _blocks(cells)
    every = [replace(block, group=group or _NO_GROUP) for group, one in groups.items() for block in _blocks(one)]
    order = list(dict.fromkeys(block.columns[0] for block in every))
    return sorted(every, key=lambda block: order.index(block.columns[0]))


def _blocks(cells: Mapping[Key, Cell]) -> list[Block]:
    """Rows with the same columns (or some of them) stand in one table."""
    by_row: dict[str, list[str]] = {}
    for row, column in cells:
        by_row.setdefault(row, []).append(column)
    tables: list[tuple[list[str], list[str]]] = []
    for row, columns in by_row.items():
        home = next((table for table in tables if set(columns) <= set(table[1])), None)
        if home is None:
            tables.append(([row], columns))
        else:
            home[0].append(row)
    return [
        Block(tuple(rows), tuple(columns), {key: cells[key] for key in cells if key[0] in rows})
        for rows, columns in tables
    ]
