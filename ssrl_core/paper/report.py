"""A comparison as files to keep: numbers, verdicts, and all that is needed to make them again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ssrl_core import __version__, stores
from ssrl_core.errors import DataError, SSRLError
from ssrl_core.paper import running
from ssrl_core.paper.evidence import Evidence
from ssrl_core.paper.item import Scale
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.specs.yaml_files import dump_yaml


def write(name: str, scale: Scale, folder: Path) -> dict[str, str]:
    """Write `<id>-<scale>.json` and `.md` into a folder.

    Returns:
        {json, markdown}: the paths.

    Raises:
        DataError: the folder cannot be written.
    """
    found = document(name, scale)
    paths = {"json": folder / f"{name}-{scale}.json", "markdown": folder / f"{name}-{scale}.md"}
    try:
        stores.replace(paths["json"], json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        stores.replace(paths["markdown"], markdown(found))
    except OSError as error:
        raise DataError(
            where=str(folder), field="folder", rule="one that can be written", value=error.strerror
        ) from error
    return {kind: str(path) for kind, path in paths.items()}


def document(name: str, scale: Scale) -> dict[str, Any]:
    """`running.compare` with the specs of its sweeps, its measurements, image sets, and what the runs took."""
    found = running.compare(name, scale)
    evidence = running.evidence(name, scale)
    return found | {
        "version": 1,
        "viewloom": __version__,
        "sweeps": {label: {**data, "name": label} for label, data in evidence.plan.sweeps().items()},
        "measures": {
            label: {"kind": kind, "parameters": dict(parameters), "data": evidence.measure(label)}
            for label, (kind, parameters) in evidence.plan.measures.items()
        },
        "runs": _runs(evidence),
        "imagesets": _imagesets(evidence),
    }


def markdown(found: dict[str, Any]) -> str:
    """The document for people."""
    parts = [f"# {found['id']} ({found['scale']}): {found['title']}", f"The paper: {found['claim']}"]
    parts.append(f"**{found['verdict']}**")
    parts += [f"- {c['verdict']}: {c['claim']}. {_told(c)}".rstrip() for c in found["contrasts"]]
    parts.append(_table(found["rows"]))
    parts += [text for text in (found["says"], found["note"], found["conflicts"]) if text]
    parts.append(_budget(found["runs"]))
    parts += [f"Image set `{name}`: fingerprint `{key[:16]}`." for name, key in found["imagesets"].items()]
    parts += [f"```yaml\n{dump_yaml(data)}```" for data in found["sweeps"].values()]
    again = f"python -m ssrl_core paper run {found['id']} --scale {found['scale']}"
    parts.append(f"Again: `{again}`, then `{again.replace(' run ', ' compare ')}`.")
    return "\n\n".join(part for part in parts if part) + "\n"


def _told(c: dict[str, Any]) -> str:
    if c["difference"] is None:
        return str(c["reason"])
    span = f", 95 % {c['low']:+.3f} to {c['high']:+.3f}" if c["low"] is not None else ""
    return f"{c['difference']:+.3f} {c['unit']}{span}, n = {' and '.join(map(str, c['n']))}. {c['reason']}".rstrip()


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
    return f"Budget: {len(done)} runs, {seconds / 60:.0f} min in all on {done[0]['device']}; seeds {seeds}."


def _runs(evidence: Evidence) -> list[dict[str, Any]]:
    """Every run that is done: id, seed, seconds of each phase, device, versions."""
    out = []
    for name in evidence.specs:
        table = evidence.results(name)
        for run_id in [] if table.empty else table.loc[table["state"] == "done", "run"]:
            out.append({"sweep": name, **_run(str(run_id))})
    return out


def _run(run_id: str) -> dict[str, Any]:
    run = RunFolder(run_id)
    try:
        state, results = run.state(), run.results()
        seed = run.spec().seed
    except SSRLError:
        return {"id": run_id, "seed": None, "seconds": None, "device": None, "versions": None}
    named = {"device": state["device"], "versions": state["versions"]}
    return {"id": run_id, "seed": seed, "seconds": results.seconds or None, **named}


def _imagesets(evidence: Evidence) -> dict[str, str]:
    """name -> fingerprint of the image sets that are here."""
    from ssrl_core.datasets import store as image_sets

    ready = [name for name in evidence.plan.needs if name in image_sets.names() and image_sets.is_ready(name)]
    return {name: str(image_sets.load(name).fingerprint) for name in ready}
