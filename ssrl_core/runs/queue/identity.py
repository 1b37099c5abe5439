"""The run that a spec means: its identity, for one spec or for the ten thousand of a sweep."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssrl_core import access
from ssrl_core.compositions.pairs import circular_words, pair_words, partners
from ssrl_core.runs.folder.run_folder import bank_ids, imageset_of
from ssrl_core.specs.composition import IMAGE
from ssrl_core.specs.parameters import Frozen
from ssrl_core.specs.parts import asked_for
from ssrl_core.specs.run import (
    BACKBONE,
    HEADS_FILE,
    SPEC_PARTS,
    EvaluateChoice,
    RunSpec,
    dump_run,
    hashed,
    hashed_keys,
    heads_gone,
)
from ssrl_core.specs.run_fit import check_fit, doubts
from ssrl_core.specs.steps import Step
from ssrl_core.specs.transforms import TRANSFORMS
from ssrl_core.specs.yaml_files import dump_yaml, parse_yaml


@dataclass(frozen=True)
class IdentifiedRun:
    """A run that somebody asks for: the resolved spec with its identity.

    Attributes:
        text: the spec as its folder keeps it, canonical YAML.
        doubts: what may be meant and is seldom (a queue that is larger than the image set), in sentences.
    """

    spec: RunSpec
    id: str
    spec_hash: str
    text: str
    doubts: tuple[str, ...] = ()


def identify(spec: RunSpec) -> IdentifiedRun:
    """The run that a spec means; makes or fetches a built-in image set on first use.

    Raises:
        SpecError: no such image set, channel or column; a spec that cannot train on these images.
    """
    return identify_all([spec])[0]


def identify_all(specs: Iterable[RunSpec]) -> list[IdentifiedRun]:
    """`identify` for many specs: what they share (images, parts that are the same object) is looked up, and written
    out, once.

    Raises:
        SpecError: as `identify`.
    """
    images, texts = _Images(), _Texts()
    return [texts.identified(spec, *images.checked(spec)) for spec in specs]


class _Images:
    """The images of specs: which they are and how many are learned from, looked up once for all that agree on them."""

    def __init__(self) -> None:
        self._found: dict[Any, tuple[str, int, tuple[int, int, int]]] = {}
        self._backbones: set[str] = set()
        self._pairs: dict[Any, list[str]] = {}

    def checked(self, spec: RunSpec) -> tuple[str, tuple[str, ...]]:
        """Fingerprint of a spec's image set, once it is clear that the spec can train on it, and what is doubtful."""
        key = (spec.dataset, spec.limit_train)
        if key not in self._found:
            imageset = imageset_of(spec)
            self._found[key] = (imageset.fingerprint, len(bank_ids(spec, imageset)), imageset.shape)
        fingerprint, images, shape = self._found[key]
        self._check_backbone(spec.backbone.name)
        if spec.backbone.weights not in (None, "imagenet"):
            access.require_readable(Path(spec.backbone.weights), "Weights")
        check_fit(spec, images, shape)
        _check_steps(spec, shape[0])
        return fingerprint, (*doubts(spec, images), *self._of_pairs(spec))

    def _of_pairs(self, spec: RunSpec) -> list[str]:
        """What is doubtful of pairs of different images; looked up once for all specs that agree on them."""
        pairs = {term.composition.pair: term.composition for term in spec.terms if term.composition.pair != IMAGE}
        if not pairs:
            return []
        key = (spec.dataset, spec.limit_train, tuple(pairs), str(spec.evaluate.parts.get("screen")))
        if key not in self._pairs:
            imageset = imageset_of(spec)
            ids = imageset.split_ids("train", limit_train=spec.limit_train)
            said = [words for one in pairs.values() for words in pair_words(partners(imageset, one, ids), ids)]
            self._pairs[key] = [*said, *circular_words(spec, imageset)]
        return self._pairs[key]

    def _check_backbone(self, name: str) -> None:
        if name.startswith("timm/") and name not in self._backbones:
            from ssrl_core.learning.backbones.timm_models import check_name

            check_name(name)
            self._backbones.add(name)


def spec_of_text(text: str) -> RunSpec:
    """The spec in a text of the registry; older registries have JSON.

    Raises:
        SpecError: it is not a valid spec.
    """
    return RunSpec.from_mapping(parse_yaml(text, "registry"), "registry")


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

    def of(self, spec: RunSpec, keys: Iterable[str]) -> list[str]:
        """The texts of these parts, in this order."""
        return [self._text(key, getattr(spec, key)) for key in keys]

    def _text(self, key: str, part: Any) -> str:
        known = self._known.get((key, id(part)))
        if known is None:
            known = self._known[key, id(part)] = (self._write(key, part), part)
        return known[0]


class _Texts:
    """The two texts of a spec: the one that is hashed, and the one that its folder keeps."""

    def __init__(self) -> None:
        self._hashed: dict[str, _Parts] = {}
        self._kept = _Parts(lambda key, part: dump_yaml({key: SPEC_PARTS[key](part)}))

    def identified(self, spec: RunSpec, fingerprint: str, doubtful: tuple[str, ...]) -> IdentifiedRun:
        if fingerprint not in self._hashed:
            self._hashed[fingerprint] = _Parts(lambda key, part: f'"{key}":{hashed(key, part, fingerprint)}')
        canonical = "{" + ",".join(self._hashed[fingerprint].of(spec, hashed_keys(spec))) + "}"
        digest = hashlib.sha256(canonical.encode()).hexdigest()[:12]
        text = "".join(self._kept.of(spec, SPEC_PARTS))
        return IdentifiedRun(spec, spec.id_of_hash(digest), digest, text, doubtful)


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


def require_heads(folder: Path, embed: str) -> None:
    """Refuse to ask a run that has learnt for heads that are gone.

    Raises:
        SpecError: neither they nor the checkpoint that they are in were kept.
    """
    if embed == BACKBONE or any((folder / name).is_file() for name in (HEADS_FILE, "checkpoint.pt")):
        return
    raise heads_gone(folder.name, embed)


def _merged_evaluate(old: EvaluateChoice, new: EvaluateChoice) -> EvaluateChoice:
    parts = {name: asked_for()[name].merged(old.parts.get(name, asked), asked) for name, asked in new.parts.items()}
    return dataclasses.replace(new, parts=Frozen(parts))


def _check_steps(spec: RunSpec, channels: int) -> None:
    """Refuse steps that the images' channels cannot take (hue of one), before anybody waits for the run."""
    groups = [(n, term.composition, group) for n, term in enumerate(spec.terms, 1) for group in term.composition.views]
    for number, composition, group in groups:
        if _asks_for_channels(group.steps):  # else torch is not needed to queue a run
            from ssrl_core.compositions.plan import check_steps

            check_steps(group.steps, channels, f'Term {number}, composition "{composition.name}"')


def _asks_for_channels(steps: Iterable[Step]) -> bool:
    return any(
        TRANSFORMS[step.transform].channels is not None or any(_asks_for_channels(b.steps) for b in step.branches)
        for step in steps
    )
