"""The run that a spec means: its identity, for one spec or for the ten thousand of a sweep."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields

from ssrl_core.errors import SpecError
from ssrl_core.runs.rows import bank_ids, imageset_of
from ssrl_core.specs.run import RunSpec, dump_run
from ssrl_core.specs.run_fit import check_fit
from ssrl_core.specs.yaml_files import parse_yaml

_NOT_SEED = [field.name for field in fields(RunSpec) if field.name != "seed"]


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
    fingerprint = _checked(spec)
    return Wanted(spec, spec.run_id(fingerprint), spec.spec_hash(fingerprint))


def identify_all(specs: Iterable[RunSpec]) -> list[Wanted]:
    """`identify` for many specs, with the text that the registry keeps.

    Neighbours that differ in their seed only share the work: writing a spec out as text costs more than all the rest.

    Raises:
        SpecError: as `identify`.
    """
    found: list[Wanted] = []
    group: _Group | None = None
    for spec in specs:
        if group is None or not group.holds(spec):
            group = _Group(spec, _checked(spec))
        found.append(group.wanted(spec))
    return found


def _checked(spec: RunSpec) -> str:
    """Fingerprint of a spec's image set, once it is clear that the spec can train on it."""
    imageset = imageset_of(spec)
    if spec.backbone.name.startswith("timm/"):
        from ssrl_core.learning.backbones.timm_models import check_name

        check_name(spec.backbone.name)
    check_fit(spec, len(bank_ids(spec, imageset)), imageset.shape)
    return imageset.fingerprint


def kept_text(spec: RunSpec) -> str:
    """A spec as the registry keeps it while there is no folder: JSON on one line, read again by `spec_of_text`."""
    return json.dumps(spec.to_mapping(), separators=(",", ":"), ensure_ascii=False, allow_nan=False)


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


class _Group:
    """Specs that differ in nothing but their seed."""

    def __init__(self, spec: RunSpec, fingerprint: str) -> None:
        self._first = spec
        self._canonical = _around(spec.canonical(fingerprint), spec.seed, "terms")
        self._text = _around(kept_text(spec), spec.seed, "limit_train")

    def holds(self, spec: RunSpec) -> bool:
        return all(getattr(spec, name) is getattr(self._first, name) for name in _NOT_SEED)

    def wanted(self, spec: RunSpec) -> Wanted:
        digest = hashlib.sha256(_with_seed(self._canonical, spec.seed).encode()).hexdigest()[:12]
        return Wanted(spec, spec.id_of_hash(digest), digest, _with_seed(self._text, spec.seed))


def _around(text: str, seed: int, following: str) -> tuple[str, str]:
    """JSON before and after the seed; a quotation mark inside a text would be escaped, so the mark is unique."""
    before, after = text.split(f'"seed":{seed},"{following}":')
    return f'{before}"seed":', f',"{following}":{after}'


def _with_seed(around: tuple[str, str], seed: int) -> str:
    return f"{around[0]}{seed}{around[1]}"
