"""A run as data: what `train` takes and the Train page writes (docs/contracts.md C5)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ssrl_core import access
from ssrl_core.errors import SpecError
from ssrl_core.specs.composition import Composition
from ssrl_core.specs.methods import SPECTRAL, UNTRAINED
from ssrl_core.specs.parameters import Frozen, Parameter
from ssrl_core.specs.parts import PARTS, asked_for
from ssrl_core.specs.yaml_files import dump_yaml, kind_of, read_yaml
from ssrl_core.stores import as_slug

VERSION = 1
OPTIMIZERS = ("sgd", "lars", "adam", "adamw")


def _whole(name: str, default: int | None, low: float, high: float, sentence: str) -> Parameter:
    return Parameter(name, "integer", default, sentence, low, high, "", 1)


def _real(name: str, default: float, low: float, high: float, sentence: str) -> Parameter:
    return Parameter(name, "number", default, sentence, low, high)


def _word(name: str, default: str, options: tuple[str, ...], sentence: str) -> Parameter:
    return Parameter(name, "choice", default, sentence, options=options)


OPTIMIZER_SETTINGS = (
    _word("name", "adam", OPTIMIZERS, "How weights are updated."),
    _real("lr", 0.001, 0.0, 1000.0, "Learning rate."),
    _word("lr_scaling", "none", ("none", "batch256"), "batch256 multiplies the learning rate by batch size / 256."),
    _real("weight_decay", 0.0001, 0.0, 10.0, "How strongly weights are pulled to zero."),
    _real("momentum", 0.9, 0.0, 0.9999, "Momentum of sgd and lars."),
)
SCHEDULE_SETTINGS = (
    _word("name", "cosine", ("cosine", "constant"), "How the learning rate falls."),
    _whole("warmup_epochs", 10, 0, 1_000_000, "Epochs in which it rises; at most a tenth of all epochs is used."),
    _real("warmup_lr", 3.0e-05, 0.0, 1000.0, "Learning rate at the start of the warm-up."),
    _real("final_lr", 0.0, 0.0, 1000.0, "Learning rate at the end."),
)
KEEP_SETTINGS = (
    _word("embedding", "all", ("all", "test", "none"), "Which embeddings stay on disk."),
    _word(
        "checkpoint", "until_done", ("always", "until_done"), "Whether the last checkpoint stays when the run is done."
    ),
)
INPUTS = ("whole", "fixed_steps")
INPUT = _word(
    "input",
    "whole",
    INPUTS,
    "What of an image is embedded: all of it, or what the steps without chance leave (a centre crop of p 1).",
)
BACKBONE = "backbone"
EMBEDS = (BACKBONE, "head", "teacher")
EMBED = _word(
    "embed",
    BACKBONE,
    EMBEDS,
    "What is embedded and clustered: the backbone's features, the projector's output (head), or the momentum network's "
    "output (teacher).",
)
EMBED_WORDS = {"head": "the projector's output", "teacher": "the momentum network's output"}
"""What was embedded where it is not the backbone's features, as one says it."""
HEADS_FILE = "heads.safetensors"
HEADS = _word(
    "heads",
    "shared",
    ("shared", "per_term"),
    "Whether several terms share projector and predictor or have their own; queues are always each term's own.",
)
CONDITION = _word(
    "condition",
    "none",
    ("none", "draws"),
    "What the projector alone is told of a view; draws tells what was drawn, so that the embedding may keep it.",
)
COMPILE = _word(
    "compile",
    "gpu",
    ("gpu", "auto", "never", "always"),
    "Whether network and views are compiled for the device; auto tries a few steps each way and keeps what is faster, "
    "gpu does so on CUDA only.",
)
DEVICES = _whole("devices", 1, 1, 1024, "Devices that take each step together, or auto: every card that it may use.")
RUN_SETTINGS = (
    _whole("batch_size", 256, 2, 1_048_576, "Images per optimizer step over all devices."),
    _whole("accumulate", 1, 1, 65_536, "Parts that a batch is worked through in."),
    _whole("epochs", 100, 1, 1_000_000, "Passes over the training images."),
    _whole("seed", 5, 0, 2**32 - 1, "Start of every random draw."),
    _whole("limit_train", None, 2, 2**31, "Number of training images used; null is all of them."),
    _word("precision", "auto", ("auto", "float32", "bf16"), "auto is bf16 on CUDA, else float32."),
)


@dataclass(frozen=True)
class DatasetChoice:
    """Which images: an image set, some of its channels, rows that match `where` (column -> list of values)."""

    name: str = "mnist"
    channels: tuple[str, ...] | None = None
    where: Mapping[str, Any] = field(default_factory=Frozen)


@dataclass(frozen=True)
class BackboneChoice:
    """Which network: a row of `BACKBONES`; stem auto (small below 64 px), small or standard; weights or none."""

    name: str = "vgg11"
    stem: str = "auto"
    weights: str | None = None


@dataclass(frozen=True)
class MethodChoice:
    """Which method, with all its settings (defaults filled in)."""

    name: str = "simclr"
    settings: Mapping[str, Any] = field(default_factory=Frozen)

    def __getitem__(self, name: str) -> Any:
        return self.settings[name]


@dataclass(frozen=True)
class Term:
    """A composition and the weight of its loss."""

    composition: Composition
    weight: float = 1.0


@dataclass(frozen=True)
class OptimizerChoice:
    """How weights are updated."""

    name: str = "adam"
    lr: float = 0.001
    lr_scaling: str = "none"
    weight_decay: float = 0.0001
    momentum: float = 0.9

    def effective_lr(self, batch_size: int) -> float:
        """Learning rate after scaling by the batch."""
        return self.lr * batch_size / 256 if self.lr_scaling == "batch256" else self.lr


@dataclass(frozen=True)
class ScheduleChoice:
    """How the learning rate goes over the run."""

    name: str = "cosine"
    warmup_epochs: int = 10
    warmup_lr: float = 3.0e-05
    final_lr: float = 0.0


def _default_parts() -> Frozen:
    return Frozen({name: part.read(part.default, "evaluate") for name, part in asked_for().items()})


@dataclass(frozen=True)
class EvaluateChoice:
    """What is measured after training. Not part of the hash: asking for more adds to the same run.

    Attributes:
        split: the images that are evaluated.
        parts: what is asked of each part that has a key in `evaluate` (`specs.parts`).
        online_every_epochs: epochs between two looks at kNN while the run learns.
        input: what the network is shown of an image: `whole`, or `fixed_steps`, as the composition's steps without
            chance leave it.
        embed: which output of the network the embedding is: `backbone`, `head` or `teacher`. Fine-tuning, the kNN
            while it learns and what is exported are of the backbone all the same.
    """

    split: str = "test"
    parts: Mapping[str, Any] = field(default_factory=_default_parts)
    online_every_epochs: int = 5
    input: str = "whole"
    embed: str = BACKBONE

    def asked(self) -> list[str]:
        """Everything that is to be made, in this order: `clusters.10`, `knn`, `layouts.tsne` …"""
        return [name for part in PARTS.values() for name in part.asked(self.parts.get(part.name))]

    @property
    def clusters(self) -> tuple[int, ...]:
        """Numbers of clusters."""
        return tuple(self.parts["clusters"])

    @property
    def knn(self) -> Mapping[str, Any]:
        """`k` and `temperature`."""
        return dict(self.parts["knn"])

    @property
    def linear(self) -> Mapping[str, Any] | None:
        """`mode` and `epochs`; None: no linear probe."""
        return self.parts["linear"] and dict(self.parts["linear"])

    @property
    def layouts(self) -> tuple[str, ...]:
        """Methods of the maps."""
        return tuple(self.parts["layouts"])


@dataclass(frozen=True)
class KeepChoice:
    """What stays on disk."""

    embedding: str = "all"
    checkpoint: str = "until_done"


@dataclass(frozen=True)
class RunSpec:
    """Everything that makes a run. Make one with `RunSpec.from_mapping` or `load_run`."""

    dataset: DatasetChoice
    backbone: BackboneChoice
    method: MethodChoice
    terms: tuple[Term, ...]
    optimizer: OptimizerChoice
    schedule: ScheduleChoice
    batch_size: int = 256
    accumulate: int = 1
    epochs: int = 100
    seed: int = 5
    limit_train: int | None = None
    precision: str = "auto"
    heads: str = "shared"
    condition: str = "none"
    device: str = "auto"
    devices: int | str = 1
    compile: str = "gpu"
    evaluate: EvaluateChoice = field(default_factory=EvaluateChoice)
    keep: KeepChoice = field(default_factory=KeepChoice)
    name: str | None = None
    notes: str | None = None
    tags: Mapping[str, Any] = field(default_factory=Frozen)
    version: int = VERSION

    @classmethod
    def from_mapping(cls, data: Any, where: str = "Spec", *, base: Path | None = None) -> RunSpec:
        """A spec from plain data, defaults filled in, compositions inlined.

        Args:
            base: folder that relative names of composition files start from.

        Raises:
            SpecError: naming the field, the rule and the remedy.
        """
        from ssrl_core.specs.run_reading import read_run

        return read_run(data, where, base)

    @property
    def is_trained(self) -> bool:
        """False for a network that is taken as it comes (`pretrained`) or solved for (`spectral`)."""
        return self.method.name not in UNTRAINED

    @property
    def is_solved(self) -> bool:
        """True for `method: spectral`: solved in closed form, not trained."""
        return self.method.name == SPECTRAL.name

    @property
    def warmup_epochs(self) -> int:
        """Epochs of warm-up that are really used: at most a tenth of all."""
        return min(self.schedule.warmup_epochs, self.epochs // 10)

    def to_mapping(self) -> dict[str, Any]:
        """Plain data with every default written out, in the order of docs/contracts.md C5."""
        return {key: plain(getattr(self, key)) for key, plain in SPEC_PARTS.items()}

    def canonical(self, fingerprint: str) -> str:
        """The JSON text that is hashed: what changes the result, and nothing else.

        Args:
            fingerprint: of the image set, in the place of its name.
        """
        parts = (f'"{key}":{hashed(key, getattr(self, key), fingerprint)}' for key in hashed_keys(self))
        return "{" + ",".join(parts) + "}"

    def spec_hash(self, fingerprint: str) -> str:
        """First 12 hex digits of the sha256 of `canonical`."""
        return hashlib.sha256(self.canonical(fingerprint).encode()).hexdigest()[:12]

    def run_id(self, fingerprint: str) -> str:
        """`<dataset>-<method>-<backbone>-s<seed>-<hash8>`: the same spec is the same run."""
        return self.id_of_hash(self.spec_hash(fingerprint))

    def id_of_hash(self, spec_hash: str) -> str:
        """The run's id where its hash is known already."""
        backbone = as_slug(self.backbone.name)
        return f"{self.dataset.name[:24]}-{self.method.name}-{backbone}-s{self.seed}-{spec_hash[:8]}"


def load_run(source: str | Path | Mapping[str, Any]) -> RunSpec:
    """A spec from a file or from plain data.

    Raises:
        SpecError: the file is missing, empty, or not a spec.
    """
    if isinstance(source, Mapping):
        return RunSpec.from_mapping(source)
    data, path = read_mapping(source, "spec")
    return RunSpec.from_mapping(data, str(path), base=path.parent)


def read_mapping(source: str | Path, what: str) -> tuple[Mapping[str, Any], Path]:
    """The mapping in a YAML file, and its path.

    Raises:
        SpecError: missing, unreadable, empty, or no mapping.
    """
    path = Path(source)
    access.require_readable(path, what.capitalize())
    data = read_yaml(path, what)
    if not isinstance(data, Mapping):
        raise SpecError.at(str(path), what, "a mapping", kind_of(data), "Start with dataset, method and terms.")
    return data, path


def dump_run(spec: RunSpec) -> str:
    """The canonical YAML text of the resolved spec."""
    return dump_yaml(spec.to_mapping())


# the network is the same without
NOT_HASHED = (
    "name",
    "notes",
    "tags",
    "keep",
    "device",
    "devices",
    "compile",
    "evaluate",
)


def heads_gone(run_id: str, embed: str) -> SpecError:
    """What is said where `evaluate.embed` asks for heads that a run no longer has."""
    rule = "backbone, since its heads were not kept when it ended"
    remedy = "Train it once more (`train SPEC.yaml --again`), or embed the backbone."
    return SpecError.at(f"Run {run_id}, evaluate", "embed", rule, embed, remedy)


def hashed_keys(spec: RunSpec) -> list[str]:
    """The parts of a spec that its identity follows from, in alphabetical order."""
    left_out = {*NOT_HASHED}
    if spec.heads == HEADS.default or len(spec.terms) == 1:
        left_out.add("heads")  # so that runs made before there was a choice keep their identity
    if spec.condition == CONDITION.default:
        left_out.add("condition")
    return sorted(SPEC_PARTS.keys() - left_out)


def hashed(key: str, part: Any, fingerprint: str) -> str:
    """The text of one part as it is hashed: keys sorted, the image set by its fingerprint, compositions unnamed."""
    plain = SPEC_PARTS[key](part)
    if key == "dataset":
        plain["name"] = fingerprint
    if key == "terms":
        for term in plain:
            term["composition"].pop("name")
    return _SORTED(plain)


_SORTED = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def _same(value: Any) -> Any:
    return value


def _fields(choice: Any) -> dict[str, Any]:
    return {f.name: getattr(choice, f.name) for f in fields(choice)}


def _dataset(choice: DatasetChoice) -> dict[str, Any]:
    return {
        "name": choice.name,
        "channels": None if choice.channels is None else list(choice.channels),
        "where": {key: list(values) for key, values in choice.where.items()},
    }


def _method(choice: MethodChoice) -> dict[str, Any]:
    return {"name": choice.name, **choice.settings}


def _terms(terms: tuple[Term, ...]) -> list[dict[str, Any]]:
    return [{"weight": term.weight, "composition": term.composition.to_mapping()} for term in terms]


def _evaluate(choice: EvaluateChoice) -> dict[str, Any]:
    parts = {name: part.plain(choice.parts[name]) for name, part in asked_for().items() if name in choice.parts}
    embed = {} if choice.embed == BACKBONE else {"embed": choice.embed}  # specs of before it stay as they were
    head = {"split": choice.split, "input": choice.input, **embed}
    return {**head, **parts, "online_every_epochs": choice.online_every_epochs}


SPEC_PARTS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "version": _same,
        "name": _same,
        "notes": _same,
        "tags": dict,
        "dataset": _dataset,
        "backbone": _fields,
        "method": _method,
        "terms": _terms,
        "optimizer": _fields,
        "schedule": _fields,
        **{row.name: _same for row in RUN_SETTINGS},
        "heads": _same,
        "condition": _same,
        "device": _same,
        "devices": _same,
        "compile": _same,
        "evaluate": _evaluate,
        "keep": _fields,
    }
)
"""How each part of a spec is written as plain data, in the order of the file."""
