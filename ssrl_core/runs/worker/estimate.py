"""What a run will cost before it is started: from earlier runs on this machine, else from the table of backbones.

What solving takes is tried on a few images.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ssrl_core.errors import SSRLError
from ssrl_core.runs.child.phases import RunProgress
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import registry
from ssrl_core.runs.queue.processes import chosen_cards, cores
from ssrl_core.specs.backbones import BACKBONES, BANKS

if TYPE_CHECKING:
    from ssrl_core.datasets.imageset import ImageSet
    from ssrl_core.specs.run import RunSpec

_LOOKED_AT = 40  # newest runs that are asked for their speed
_TABLE_SIDE, _TABLE_CORES = 32, 2
_SMALL_FILES = 400_000  # log, metrics, results
_UNKNOWN_IMAGES_PER_S = 5.0  # a network of timm
_UNKNOWN_MS_PER_VIEW, _VIEW_S = 20.0, 0.0005
_PROBED, _PROBED_VIEWS = 48, 2  # images and views of each that solving is tried on
_ASK_S = 10.0
_MODEST = 4e6  # bytes of a network that no table knows
_CARD_TIMES = 1000.0
_CARD_STEP_S = 0.015
"""A first guess until a run on the card replaces it: how many times a data-centre card works faster than two cores, and
the seconds of a step in which it waits for what the host launches, for each two views. Together about half of what an
H200 does compiled, and a little more than it does plainly (ResNet18 of 32 px, VGG13 of 64 px; docs/log.md)."""


@dataclass(frozen=True)
class Estimate:
    """What a run will take.

    Attributes:
        images: train images.  steps: optimizer steps.
        images_per_s: speed (an image = all its views).
        measured: id of the run that the speed was measured in, None for a first estimate from the table.
        train_s, rest_s: seconds of training, of everything after it.
        disk_bytes: what stays on disk when the run is done.
    """

    images: int
    steps: int
    images_per_s: float
    measured: str | None
    train_s: float
    rest_s: float
    disk_bytes: int = 0

    @property
    def seconds(self) -> float:
        """Seconds in all."""
        return self.train_s + self.rest_s


def estimate(spec: RunSpec, imageset: ImageSet) -> Estimate:
    """Time of a run on this machine.

    Args:
        imageset: the images that the spec names (`rows.imageset_of`).
    """
    from ssrl_core.runs.folder.run_folder import bank_ids, evaluated_ids, kept_ids

    images = len(bank_ids(spec, imageset))
    side = spec.terms[0].composition.views[0].size or max(imageset.shape[1:])
    speed, measured = _measured(spec, side)
    speed = speed or from_table(spec, side)
    steps = images // spec.batch_size * spec.epochs
    rows = len(evaluated_ids(spec, imageset))
    after = RunProgress(images + len(kept_ids(spec, imageset)), rows, spec.evaluate.layouts).after_training_s()
    kept = len(kept_ids(spec, imageset)) if spec.keep.embedding != "none" else 0
    row = BACKBONES.get(spec.backbone.name)
    dim, weights = (row.dim, row.parameters_m * 4e6) if row else (spec.method.settings.get("dim", 1024), _MODEST)
    disk = kept * (dim * 4 + 8) + weights + _SMALL_FILES
    train = _solving_s(spec, imageset, images) if spec.is_solved else steps * spec.batch_size / speed
    return Estimate(images, steps, speed, measured, train, after, round(disk))


@dataclass(frozen=True)
class Memory:
    """What a step will hold, without having taken one.

    Attributes:
        step_bytes: weights, gradients, optimizer, views, activations of the images of one pass.
        room_bytes: of the card that the run names, else of the smallest one, else what this machine has left.
        of_card: whether it is a card's.
        largest: images at a time that it holds; 0 where not even two.
    """

    step_bytes: int
    room_bytes: float
    of_card: bool
    largest: int


def memory(spec: RunSpec, imageset: ImageSet, room_bytes: float | None = None) -> Memory:
    """Memory of a step of a run that is trained; takes seconds of a processor and no memory to speak of.

    Args:
        room_bytes: what there shall be; None asks the cards, else this machine.
    """
    import psutil

    from ssrl_core.learning.memory import largest_batch, step_bytes

    card = None if room_bytes or spec.device == "cpu" else card_bytes(spec.device)
    room = room_bytes or card or psutil.virtual_memory().available
    held = step_bytes(spec, imageset, spec.batch_size // spec.accumulate)
    return Memory(held, room, card is not None, largest_batch(spec, imageset, room))


def card_bytes(device: str = "auto") -> float | None:
    """Memory of a run's NVIDIA card (`cuda:1`), or the smallest here, asked without importing torch; None without one.

    Cards are counted as CUDA_VISIBLE_DEVICES leaves them.
    """
    if not has_gpu():
        return None
    asked = ["nvidia-smi", "--query-gpu=uuid,memory.total", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=_ASK_S, check=True).stdout.splitlines()
        cards = [(uuid, float(mebibytes) * 2**20) for uuid, mebibytes in (line.split(", ") for line in said)]
        chosen = chosen_cards() or ()
        found = [held for name in chosen for place, (uuid, held) in enumerate(cards) if _is_named(name, place, uuid)]
        every = found if found and len(found) == len(chosen) else [held for _, held in cards]
        _, _, number = device.partition(":")
        return every[int(number)] if number and int(number) < len(every) else min(every)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _is_named(name: str, place: int, uuid: str) -> bool:
    """Whether CUDA means this card: by its number, or by the beginning of its id."""
    return int(name) == place if name.isdecimal() else uuid.startswith(name)


def training_s(spec: RunSpec, *, images: int, side: int) -> float:
    """Seconds of the training alone on this machine, of so many images of such a side that may not be here yet."""
    speed, _ = _measured(spec, side)
    return images // spec.batch_size * spec.batch_size * spec.epochs / (speed or from_table(spec, side))


def _solving_s(spec: RunSpec, imageset: ImageSet, images: int) -> float:
    """Seconds of views, features and sums of a run that is solved, not trained."""
    return 1.0 + images * int(spec.method["views"]) * len(spec.terms) * seconds_per_view(spec, imageset)


_probed: dict[object, float] = {}


def seconds_per_view(spec: RunSpec, imageset: ImageSet) -> float:
    """Seconds that one view and its features take here: tried once on a few images, then remembered.

    Where the bank cannot be built (its weights are missing), what its table says.
    """
    compositions = tuple(term.composition for term in spec.terms)
    key = (spec.method["bank"], imageset.name, imageset.fingerprint, compositions)
    if key not in _probed:
        try:
            _probed[key] = _probe(spec, imageset)
        except SSRLError:
            row = BANKS.get(spec.method["bank"])
            each = (row.ms_per_view if row else _UNKNOWN_MS_PER_VIEW) / 1000 + _VIEW_S
            return each / max(1, cores())
    return _probed[key]


def _probe(spec: RunSpec, imageset: ImageSet) -> float:
    """Seconds of one view, of the quicker of two tries: the first one also sets everything up."""
    from ssrl_core.compositions.plan import view_side
    from ssrl_core.learning.solving import bank_for, features_of_views, view_batches

    ids = imageset.split_ids("all")[:_PROBED]
    side = view_side(spec.terms[0].composition.views[0], imageset.shape[1:])
    bank = bank_for(spec.method["bank"], imageset, ids, side, seed=spec.seed)
    took = []
    for _ in range(2):
        started, made = time.perf_counter(), 0
        for number, term in enumerate(spec.terms):
            for _, groups in view_batches(imageset, ids, term, number, views=_PROBED_VIEWS, seed=spec.seed):
                made += sum(features_of_views(bank, group).shape[0] * len(group[0]) for group in groups)
        took.append((time.perf_counter() - started) / max(1, made))
    return min(took)


def slots() -> int:
    """Runs that the worker does at the same time: of the one that is alive, else as it would start."""
    from ssrl_core.runs.queue import processes

    return max(1, int((processes.about() or {}).get("slots") or 1))


def size(count: float) -> str:
    """Bytes in words: `3 MB`, `1.2 GB`."""
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 999.5:
            return f"{count:.0f} {unit}" if count >= 10 else f"{count:.1f} {unit}"
    return f"{count / 1000:.1f} TB"


def has_gpu() -> bool:
    """Whether this machine seems to have an NVIDIA card, asked without importing torch."""
    return chosen_cards() != () and shutil.which("nvidia-smi") is not None


def _measured(spec: RunSpec, side: int) -> tuple[float | None, str | None]:
    """Speed of the newest run of this backbone on this host, scaled by area and number of its views."""
    on_gpu = has_gpu() and spec.device != "cpu"
    looked_at = [row for row in registry.list_runs() if row["backbone"] == spec.backbone.name][:_LOOKED_AT]
    for row in looked_at:
        run = RunFolder(row["id"])
        state = run.state()
        here = state["host"] == socket.gethostname() and (state["device"] or "cpu").startswith("cuda") == on_gpu
        if not here or not state["images_per_s"] or not run.exists:
            continue
        other = run.spec()
        other_side = other.terms[0].composition.views[0].size or _side_of(other)
        if other_side:
            scale = (other_side / side) ** 2 * _views(other) / _views(spec)
            return float(state["images_per_s"]) * scale, run.id
    return None, None


def from_table(spec: RunSpec, side: int) -> float:
    """First estimate: the table's speed on two cores at 32 px, scaled."""
    if has_gpu() and spec.device != "cpu":
        return on_card(spec, side)
    return _on_two_cores(spec, side) * max(1, cores()) / _TABLE_CORES


def _on_two_cores(spec: RunSpec, side: int) -> float:
    row = BACKBONES.get(spec.backbone.name)
    return (row.cpu_images_per_s if row else _UNKNOWN_IMAGES_PER_S) * (_TABLE_SIDE / side) ** 2 * 2 / _views(spec)


def on_card(spec: RunSpec, side: int) -> float:
    """Images a second on a data-centre card, guessed from the table."""
    waits = _CARD_STEP_S * _views(spec) / 2 / spec.batch_size
    return 1.0 / (1.0 / (_CARD_TIMES * _on_two_cores(spec, side)) + waits)


def _views(spec: RunSpec) -> int:
    return sum(term.composition.view_count for term in spec.terms)


def _side_of(spec: RunSpec) -> int | None:
    """Side of a run's images, where its image set is still there."""
    from ssrl_core.datasets import store as image_sets

    if not image_sets.is_ready(spec.dataset.name):
        return None
    shape: tuple[int, ...] = image_sets.load(spec.dataset.name).shape
    return max(shape[1:])
