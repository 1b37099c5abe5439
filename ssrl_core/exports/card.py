"""Two texts of a run, written from what is stored: its model card and its methods paragraph.

The card is what a stranger needs to use, and to distrust, an encoder; the paragraph is what one copies into a paper.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssrl_core import stores
from ssrl_core.compositions.draws import said_of
from ssrl_core.datasets.store import torn_words
from ssrl_core.errors import SSRLError
from ssrl_core.exports.encoder_file import check_safetensors, encoder_path, loading_code, metadata_and_keys
from ssrl_core.runs.folder.results import Probe, Results
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.folder.verdict import in_words, reference_words
from ssrl_core.specs.backbones import BACKBONES, BANKS
from ssrl_core.specs.methods import METHODS, SPECTRAL
from ssrl_core.specs.parts import columns

if TYPE_CHECKING:
    from ssrl_core.datasets.imageset import ImageSet
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


_TOLD = "A projector that is told of the draws: Przewięźlikowski et al. 2023, arXiv:2306.06082."
_KMEANS = "k-means: Lloyd 1982, doi:10.1109/TIT.1982.1056489; initialised by k-means++, Arthur and Vassilvitskii 2007."
_SKLEARN = "scikit-learn: Pedregosa et al. 2011, JMLR 12:2825-2830."
_SKIMAGE = "scikit-image: van der Walt et al. 2014, doi:10.7717/peerj.453."


def write_paragraph(run: RunFolder, out: Path) -> dict[str, Any]:
    """See `exports`; tells the number of sources."""
    text, sources = paragraph(run)
    stores.replace(out, "\n\n".join([text, *(f"- {source}" for source in sources)]) + "\n")
    return {"sources": len(sources)}


def paragraph(run: RunFolder, k: int | None = None) -> tuple[str, list[str]]:
    """Text and sources.

    Args:
        k: the number of groups that is shown; None = the first that the run was evaluated with.

    Returns:
        One paragraph, and the works it rests on, one a line.
    """
    spec = run.spec()
    imageset = _images(spec)
    k = k or next(iter(run.results().counts), None)
    sentences = [
        *_of_images(spec, imageset),
        *_of_training(spec),
        *_of_groups(run, spec, k),
        _of_software(run),
    ]
    return " ".join(sentences), _sources(spec, imageset)


def _of_images(spec: RunSpec, imageset: ImageSet | None) -> list[str]:
    if imageset is None:
        return [f"Images were those of the set {spec.dataset.name}."]
    channels, height, width = imageset.shape
    names = ", ".join(channel.name for channel in imageset.channels)
    size = f"{width} × {height} px"
    if imageset.pixel_size_um:
        size += f" ({width * imageset.pixel_size_um:.3g} × {height * imageset.pixel_size_um:.3g} µm)"
    told = [f"Images were {imageset.count:,} crops of {size} with {channels} channels ({names}) from {imageset.title}."]
    return told + _of_cutting(imageset)


_LEVELS = {  # the first is how it is done, the others of image sets that older versions made
    "levels": "the best choice among the regions of ten brightness levels",
    "otsu": "one Otsu level a field, a distance transform",
    "local": "a local threshold, a distance transform",
}


def _of_cutting(imageset: ImageSet) -> list[str]:
    """How the cells were found, if they were cut out of fields here."""
    from ssrl_core.datasets.cells import report_of

    try:
        report = report_of(imageset.folder)
    except SSRLError:
        return []
    nuclei, settings = report["settings"]["nuclei"], report["settings"]
    level = _LEVELS[nuclei["threshold"]]
    light = " Uneven illumination was divided out for each plate and channel." if _corrected(report) else ""
    dropped = ", ".join(f"{count:,} ({reason})" for reason, count in report["dropped"].items())
    width = f"{nuclei['diameter_px']:.0f} px" if nuclei["diameter_px"] else "the nuclei's width"
    return [
        f"Nuclei were found in the {report['nuclei']} channel of {report['fields']:,} fields by smoothing, {level} and "
        f"watershed (usual nuclear width {width}), and a square of {settings['size']} px was cut around each.{light}"
        + (f" Left out were {dropped}." if dropped else "")
    ]


def _corrected(report: dict[str, Any]) -> bool:
    asked = report["settings"]["illumination"] == "plate"
    return asked and not any("not corrected" in note for note in report["notes"])


def _of_training(spec: RunSpec) -> list[str]:
    row, method = BACKBONES.get(spec.backbone.name), METHODS.get(spec.method.name)
    network = row.title if row else spec.backbone.name
    if spec.is_solved:
        return [_of_solution(spec)]
    if method is None:
        return [f"A {network} network was used as it came, without training on these images."]
    several = len(spec.terms) > 1
    terms = "; and ".join(
        f"{term.composition.sentence()}" + (f" (weight {term.weight:g})" if several else "") for term in spec.terms
    )
    images = f"{spec.limit_train:,} training images" if spec.limit_train else "the training images"
    return [
        f"A {network} network was trained without labels on {images} with {method.title} for {spec.epochs:,} epochs "
        f"({spec.optimizer.name}, learning rate {spec.optimizer.lr:g}, batches of {spec.batch_size}, seed "
        f"{spec.seed}), so that randomly changed versions of one image become alike. The changes were: {terms}."
        + (" The projector was told what was drawn for each version." if spec.condition == "draws" else "")
    ]


def _of_solution(spec: RunSpec) -> str:
    row, settings = BANKS.get(spec.method["bank"]), spec.method.settings
    bank = row.title if row else settings["bank"]
    images = f"{spec.limit_train:,} training images" if spec.limit_train else "the training images"
    terms = "; and ".join(term.composition.sentence() for term in spec.terms)
    return (
        f"No network was trained. Fixed features ({bank}) of {settings['views']} randomly changed versions of each of "
        f"{images} were combined in closed form into the {settings['dim']} directions in which the versions of one "
        f"image agree most (mu {settings['mu']:g}, seed {spec.seed}). The changes were: {terms}."
    )


def _of_groups(run: RunFolder, spec: RunSpec, k: int | None) -> list[str]:
    results = run.results()
    dim, n, split = results.dim, results.n, results.split
    if k is None or not n:
        return []
    torn = torn_words(spec.dataset.name)
    return [
        f"The {n:,} images of the {split} part, which the training had not seen, were each described by "
        f"{dim} numbers (the network's output) and put into {k} groups by k-means in that space."
        if split != "train"
        else f"The {n:,} training images were each described by {dim} numbers and put into {k} groups by k-means.",
        *([torn] if torn else []),
    ]


def _of_software(run: RunFolder) -> str:
    versions = run.state().get("versions") or {}
    known = [
        f"{name} {versions[key]}" for key, name in (("python", "Python"), ("torch", "PyTorch")) if versions.get(key)
    ]
    ours = f"Viewloom {versions['viewloom']}" if versions.get("viewloom") else "Viewloom"
    commit = f", commit {versions['git']}" if versions.get("git") else ""
    return f"{ours}{commit} was used" + (f" with {' and '.join(known)}" if known else "") + f" (run {run.id})."


def _sources(spec: RunSpec, imageset: ImageSet | None) -> list[str]:
    method = SPECTRAL if spec.is_solved else METHODS.get(spec.method.name)
    found = [f"Images: {imageset.meta['citation']}"] if imageset and imageset.meta.get("citation") else []
    if method is not None:
        found.append(f"{method.title}: {method.paper}.")
    found += [_TOLD] if spec.condition == "draws" else []
    cut = imageset is not None and (imageset.folder / "cells.json").is_file()
    return [*found, _KMEANS, _SKLEARN, *([_SKIMAGE] if cut else [])]


def _images(spec: RunSpec) -> ImageSet | None:
    from ssrl_core.runs.folder.run_folder import imageset_of

    try:
        return imageset_of(spec)
    except SSRLError:
        return None
