"""The run that a spec means: its identity, for one spec or for the ten thousand of a sweep."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ssrl_core.errors import SpecError
from ssrl_core.runs.folder.run_folder import bank_ids, imageset_of
from ssrl_core.specs.parameters import Frozen
from ssrl_core.specs.parts import asked_for
from ssrl_core.specs.run import SPEC_PARTS, RunSpec, dump_run, hashed, hashed_keys, kept
from ssrl_core.specs.run_fit import check_fit
from ssrl_core.specs.yaml_files import parse_yaml

if TYPE_CHECKING:
    from ssrl_core.specs.run import EvaluateChoice, RunSpec


@dataclass(frozen=True)
class Wanted:
    """A run that somebody asks for: the resolved spec with its identity.

    Attributes:
        text: the spec as the registry keeps it until there is a folder (JSON); "" where the folder is written at once.
    """

    spec: RunSpec
    id: str
    spec_hash: str
    text: str = ""


def identify(spec: RunSpec) -> Wanted:
    """The run that a spec means; makes or fetches a built-in image set on first use.

    Raises:
        SpecError: no such image set, channel or column; a spec that cannot train on these images.
    """
    fingerprint = _Ground().checked(spec)
    return Wanted(spec, spec.run_id(fingerprint), spec.spec_hash(fingerprint))


def identify_all(specs: Iterable[RunSpec]) -> list[Wanted]:
    """`identify` for many specs, with the text that the registry keeps.

    What specs share (images, parts that are the same object) is looked up and written out once.

    Raises:
        SpecError: as `identify`.
    """
    ground, texts = _Ground(), _Texts()
    return [texts.wanted(spec, ground.checked(spec)) for spec in specs]


class _Ground:
    """The images of specs: which they are and how many are learned from, looked up once for all that agree on them."""

    def __init__(self) -> None:
        self._found: dict[Any, tuple[str, int, tuple[int, int, int]]] = {}
        self._backbones: set[str] = set()

    def checked(self, spec: RunSpec) -> str:
        """Fingerprint of a spec's image set, once it is clear that the spec can train on it."""
        key = (spec.dataset, spec.limit_train)
        if key not in self._found:
            imageset = imageset_of(spec)
            self._found[key] = (imageset.fingerprint, len(bank_ids(spec, imageset)), imageset.shape)
        fingerprint, images, shape = self._found[key]
        self._check_backbone(spec.backbone.name)
        check_fit(spec, images, shape)
        return fingerprint

    def _check_backbone(self, name: str) -> None:
        if name.startswith("timm/") and name not in self._backbones:
            from ssrl_core.learning.backbones.timm_models import check_name

            check_name(name)
            self._backbones.add(name)


def kept_text(spec: RunSpec) -> str:
    """A spec as the registry keeps it while there is no folder: JSON on one line, read again by `spec_of_text`."""
    return _Parts(kept).joined(spec, SPEC_PARTS)


def spec_of_text(text: str) -> RunSpec:
    """The spec in a text of the registry, JSON or YAML.

    Raises:
        SpecError: it is not a valid spec.
    """
    try:
        data = json.loads(text) if text.startswith("{") else parse_yaml(text, "registry")
    except ValueError as error:
        raise SpecError(f"registry: the spec cannot be read ({error}). Queue the run again.") from error
    return RunSpec.from_mapping(data, "registry")


def yaml_of_text(text: str) -> str:
    """The canonical YAML of a spec that the registry keeps."""
    return dump_run(spec_of_text(text)) if text.startswith("{") else text


class _Parts:
    """The text of each part of a spec, written once for all specs that share it.

    A part is known by its object, which is held here, so that no other can take its place in memory.
    """

    def __init__(self, write: Callable[[str, Any], str]) -> None:
        self._write = write
        self._known: dict[tuple[str, int], tuple[str, Any]] = {}

    def joined(self, spec: RunSpec, keys: Iterable[str]) -> str:
        """One JSON object of these parts, in this order."""
        return "{" + ",".join([self._text(key, getattr(spec, key)) for key in keys]) + "}"

    def _text(self, key: str, part: Any) -> str:
        known = self._known.get((key, id(part)))
        if known is None:
            known = self._known[key, id(part)] = (f'"{key}":{self._write(key, part)}', part)
        return known[0]


class _Texts:
    """The two texts of a spec: the one that is hashed, and the one that the registry keeps."""

    def __init__(self) -> None:
        self._hashed: dict[str, _Parts] = {}
        self._kept = _Parts(kept)

    def wanted(self, spec: RunSpec, fingerprint: str) -> Wanted:
        if fingerprint not in self._hashed:
            self._hashed[fingerprint] = _Parts(lambda key, part: hashed(key, part, fingerprint))
        canonical = self._hashed[fingerprint].joined(spec, hashed_keys(spec))
        digest = hashlib.sha256(canonical.encode()).hexdigest()[:12]
        return Wanted(spec, spec.id_of_hash(digest), digest, self._kept.joined(spec, SPEC_PARTS))


def merged(old: RunSpec, new: RunSpec) -> RunSpec:
    """The old run's spec asking for everything that either asks for.

    Both are the same run (same hash), so they differ only in what is not hashed. A new name, note, tag or device
    replaces the old one; what is kept on disk is the more of both.
    """
    return dataclasses.replace(
        old,
        evaluate=_merged_evaluate(old.evaluate, new.evaluate),
        keep=dataclasses.replace(
            old.keep, embedding=min(old.keep.embedding, new.keep.embedding, key=("all", "test", "none").index)
        ),
        name=new.name or old.name,
        notes=new.notes or old.notes,
        tags=Frozen({**old.tags, **new.tags}),
        device=new.device,
    )


def _merged_evaluate(old: EvaluateChoice, new: EvaluateChoice) -> EvaluateChoice:
    parts = {name: asked_for()[name].merged(old.parts.get(name, asked), asked) for name, asked in new.parts.items()}
    return dataclasses.replace(new, parts=Frozen(parts))
