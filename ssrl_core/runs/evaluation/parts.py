"""The parts that a run is made of, and which are still missing: what makes resuming and adding the same thing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ssrl_core.runs.folder.run_folder import RunFolder, evaluated_split, kept_ids

if TYPE_CHECKING:
    from ssrl_core.datasets.imageset import ImageSet
    from ssrl_core.specs.run import RunSpec

EMBED, REFERENCES, VIEW, KNN, LINEAR = "embed", "references", "view", "knn", "linear"


def missing_parts(run: RunFolder, spec: RunSpec, imageset: ImageSet) -> list[str]:
    """Parts that the spec asks for and the folder has not, in the order in which they are made.

    Args:
        imageset: the images that the spec names.

    Returns:
        names such as `train`, `embed`, `clusters.10`, `knn`, `layouts.tsne`; empty when the run is complete. A part
        that cannot be had (no labels) and says so in `missing` counts as there.
    """
    if not (run.path / "encoder.safetensors").is_file():
        return ["train", *_all_parts(spec)]
    results = run.results() or {}
    if not results or not same_images(run, spec, imageset, results):
        return _all_parts(spec)
    return [part for part in _all_parts(spec) if not _is_there(run, spec, results, part)]


def _all_parts(spec: RunSpec) -> list[str]:
    """Every part that a spec asks for."""
    asked = spec.evaluate
    return [
        EMBED,
        *(f"clusters.{k}" for k in asked.clusters),
        KNN,
        *([LINEAR] if asked.linear is not None else []),
        *(f"finetune.{share:g}" for share in asked.finetune),
        REFERENCES,
        VIEW,
        *(f"layouts.{method}" for method in asked.layouts),
    ]


def same_images(run: RunFolder, spec: RunSpec, imageset: ImageSet, results: Mapping[str, Any]) -> bool:
    """Whether what was measured was measured on the images that are asked for now, and the arrays have their rows."""
    import numpy as np

    if results.get("split") != evaluated_split(spec, imageset) or not (run.path / "embedding_ids.npy").is_file():
        return False
    return bool(np.array_equal(run.embedding_ids(), kept_ids(spec, imageset)))


def _is_there(run: RunFolder, spec: RunSpec, results: Mapping[str, Any], part: str) -> bool:
    name, _, which = part.partition(".")
    told = results["missing"]
    if part in told:
        return True
    if name == EMBED:
        return spec.keep.embedding == "none" or (run.path / "embedding.npy").is_file()
    if name == "layouts":
        return bool(which in results["layouts"] and (run.path / results["layouts"][which]).is_file())
    if name == "clusters":
        entry = results["clusters"].get(which)
        return bool(entry and (spec.keep.embedding == "none" or (run.path / str(entry["file"])).is_file()))
    if name == "finetune":
        return which in results["finetune"]
    return results[name] is not None and _same_settings(spec, results, name)


def _same_settings(spec: RunSpec, results: Mapping[str, Any], name: str) -> bool:
    """Whether a probe was made with the settings that are asked for now."""
    if name == LINEAR:
        asked, made = spec.evaluate.linear or {}, results[LINEAR]
        return all(made[key] == asked[key] for key in ("mode", "epochs"))
    if name == KNN and "knn.k" not in results["missing"]:  # fewer train images than k is said there
        return all(results[KNN][key] == spec.evaluate.knn[key] for key in ("k", "temperature"))
    return True
