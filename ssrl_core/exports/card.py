"""The model card: a page of Markdown that a stranger needs to use, and to distrust, an encoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssrl_core import stores
from ssrl_core.compositions.draws import said_of
from ssrl_core.datasets.store import torn_words
from ssrl_core.errors import SSRLError
from ssrl_core.exports.encoder_file import check_safetensors, encoder_path, metadata_and_keys
from ssrl_core.exports.loading import loading_code
from ssrl_core.runs.folder.results import Probe, Results
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.folder.verdict import in_words, reference_words
from ssrl_core.specs.backbones import BACKBONES, BANKS
from ssrl_core.specs.methods import METHODS, SPECTRAL
from ssrl_core.specs.parts import columns

if TYPE_CHECKING:
    from ssrl_core.specs.run import RunSpec

_FEW = 3
_IN_TABLE = ("clusters", "knn", "linear")
_FILE = "encoder.safetensors"


check_card = check_safetensors


def write_card(run: RunFolder, out: Path) -> dict[str, Any]:
    """See `exports`; tells the sections."""
    text = card(run)
    stores.replace(out, text)
    return {"sections": [line[3:] for line in text.splitlines() if line.startswith("## ")]}


def card(run: RunFolder) -> str:
    """The whole page."""
    spec, results = run.spec(), run.results()
    metadata, keys = metadata_and_keys(encoder_path(run))
    parts = [
        f"# {spec.name or run.id}",
        _sentence(spec, metadata),
        "## Data",
        *_data(spec),
        "## What it was asked to ignore",
        *_terms(spec),
        "## Figures",
        *([in_words(results, spec)] if results else []),
        *_figures(results, solved=spec.is_solved),
        *([torn] if (torn := torn_words(spec.dataset.name)) else []),
        "## Who wins, who loses",
        *_classes(results),
        "## Load it",
        f"`python -m ssrl_core export {run.id} --to safetensors --out {_FILE}`, then:",
        f"```python\n{loading_code(metadata, keys, _FILE)}\n```",
        "## The spec",
        f"Run `{run.id}`, spec hash `{metadata['spec_hash']}`; `train` with these lines makes it again.",
        f"```yaml\n{(run.path / 'spec.yaml').read_text(encoding='utf-8').rstrip()}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _sentence(spec: RunSpec, metadata: dict[str, str]) -> str:
    row, method = BACKBONES.get(spec.backbone.name), METHODS.get(spec.method.name)
    network = row.title if row else spec.backbone.name
    start = f" from {spec.backbone.weights} weights" if spec.backbone.weights else ""
    how = f"trained{start} with {method.title} ({method.paper})" if method else f"as it came{start}, not trained"
    if spec.is_solved:
        bank = BANKS.get(spec.backbone.name)
        network = bank.title if bank else spec.backbone.name
        how = f"combined in closed form: solved, not trained ({SPECTRAL.paper})"
    norm = ", ".join(f"{v:.4g}" for v in json.loads(metadata["mean"]))
    return (
        f"{network}, {how}. It turns an image ({metadata['channels']} channels, {metadata['side_px']} px, values in "
        f"0..1; the mean {norm} is taken away inside) into {metadata['dim']} numbers. Made with Viewloom. No label was "
        "used to train it; labels measure it."
    )


def _data(spec: RunSpec) -> list[str]:
    """What is known of the image set, if it is still here."""
    from ssrl_core.runs.folder.run_folder import imageset_of

    try:
        images = imageset_of(spec)
    except SSRLError:
        return [f"Image set `{spec.dataset.name}`, which is no longer here."]
    splits = ", ".join(f"{len(images.split_ids(name)):,} {name}" for name in ("train", "val", "test"))
    used = f" Trained on {spec.limit_train:,} of them." if spec.limit_train else ""
    lines = [f"{images.title} (`{images.name}`): {images.count:,} images, {splits}.{used}"]
    meta = images.meta
    told = {"Licence": meta.get("licence"), "Cite": meta.get("citation"), "Fingerprint": f"`{images.fingerprint}`"}
    return [*lines, *(f"{key}: {value}" for key, value in told.items() if value)]


def _terms(spec: RunSpec) -> list[str]:
    """The compositions: what a network trained to agree between views learns not to see."""
    several = len(spec.terms) > 1
    lines = [
        f"- {f'{term.weight:g} × ' if several else ''}`{term.composition.name}`: {term.composition.sentence()}"
        for term in spec.terms
    ]
    shown = said_of(spec)
    told = [f"Measured, and to be used, on images with these steps: {shown}."] if shown else []
    return ["Two views of one image were made to agree under", "\n".join(lines), *told]


def _figures(results: Results, *, solved: bool) -> list[str]:
    if not results:
        return ["Nothing was measured."]
    names = reference_words(solved=solved)
    k, own = next(iter(results.clusters.items()), ("", None))
    rows = [
        ("this network", results.knn, results.linear, own.ami if own else None, results.view),
        *(
            (names[key].removeprefix("the "), of.knn, None, of.ami, results.reference(key, of_views=True))
            for key in ("untrained", "pixels")
            for of in [results.reference(key)]
        ),
    ]
    head = f"| | kNN | linear | AMI (K = {k}) | kNN of views | AMI of views |\n|---|---|---|---|---|---|"
    lines = [
        f"| {name} | " + " | ".join(map(_shown, (knn, linear, ami, view.knn, view.ami))) + " |"
        for name, knn, linear, ami, view in rows
    ]
    tuned = [f"Fine-tuned with {float(s):.0%} of the labels: {p.top1:.3f}." for s, p in results.finetune.items()]
    under = f"Measured on {results.n:,} {results.split} images; shares and scores in 0..1."
    return [under, "\n".join([head, *lines]), *_others(results), *tuned]


def _others(results: Results) -> list[str]:
    """Numbers of parts that the table has no column for."""
    told = [(column, results.columns()[column.name]) for part, column in columns() if part.name not in _IN_TABLE]
    return [f"{column.title}: {_shown(value)}. {column.sentence}" for column, value in told if value is not None]


def _classes(results: Results) -> list[str]:
    """The best and the worst classes: no composition is good for every class."""
    probe = results.linear or results.knn
    if not probe:
        return ["The accuracy of each class was not measured (there are no labels)."]
    known = {name: one for name, one in probe.classes.items() if one["n"]}
    order = sorted(known, key=lambda name: -known[name]["accuracy"])
    few = min(_FEW, len(order) // 2)
    lines = ["| class | n | accuracy | 95 % interval |", "|---|---|---|---|"]
    for name in [*order[:few], *order[len(order) - few :]]:
        one = known[name]
        lines.append(f"| {name} | {one['n']} | {one['accuracy']:.3f} | {one['low']:.3f} to {one['high']:.3f} |")
    return [f"The {few} best and the {few} worst of {len(order)} classes.", "\n".join(lines)]


def _shown(value: float | Probe | None) -> str:
    """A score in 0..1; of a probe its top-1."""
    if isinstance(value, Probe):
        value = value.top1
    return "–" if value is None else f"{value:.3f}"
