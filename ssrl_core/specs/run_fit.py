"""What is right as a spec and wrong for these images: checked before a run is queued, and again before it trains."""

from __future__ import annotations

from collections.abc import Sequence

from ssrl_core.errors import SpecError
from ssrl_core.specs.composition import ViewGroup
from ssrl_core.specs.run import RunSpec

_SEVERAL = 10  # images a prototype in a remedy


def check_fit(spec: RunSpec, images: int, shape: Sequence[int]) -> None:
    """Refuse a run that would fail, or learn nothing, on its images.

    Args:
        images: train images that the run takes (`limit_train`, `where` and channels already applied).
        shape: (C,H,W) of an image.

    Raises:
        SpecError: fewer images than a batch, more prototypes than images, views of sizes that the method cannot take.
    """
    where = f"Run on {spec.dataset.name!r}"
    if spec.is_solved and images < 2:
        raise SpecError.at(where, "train images", "two or more", images, "Take more images (limit_train, where).")
    if not spec.is_trained:
        return
    if images < max(2, spec.batch_size):
        raise SpecError.at(
            where,
            "batch_size",
            f"at most {images}, the train images that the run takes",
            spec.batch_size,
            (
                f"Lower batch_size to {_lower(images)} or less, or take more images (limit_train, where)."
                if images >= 2
                else "Take more images (limit_train, where): two at least."
            ),
        )
    _check_prototypes(spec, images, where)
    side = max(shape[1:])
    for number in range(len(spec.terms)):
        _check_sides(spec, number, side)


def doubts(spec: RunSpec, images: int) -> tuple[str, ...]:
    """What may be meant, and is seldom, of a run on so many train images: in sentences, before it trains."""
    queue = spec.method.settings.get("queue_size", 0) if spec.is_trained else 0
    if queue <= images:
        return ()
    return (
        f"queue_size {queue:,} is more than the {images:,} train images: each image meets itself in the queue; "
        f"{_lower(max(2, images // 2)):,} or less is usual",
    )


def _check_prototypes(spec: RunSpec, images: int, where: str) -> None:
    """DeepCluster v2 seeds each centroid with an image of its memory, which whole batches fill."""
    if spec.method.name != "deepcluster_v2":
        return
    seen = images // spec.batch_size * spec.batch_size
    if spec.method["prototypes"] > seen:
        raise SpecError.at(
            f"{where}, method {spec.method.name}",
            "prototypes",
            f"at most {seen}, the train images of an epoch's whole batches",
            spec.method["prototypes"],
            f"Set prototypes to {max(2, seen // _SEVERAL)} or fewer, or take more images.",
        )


def _check_sides(spec: RunSpec, number: int, side: int) -> None:
    """Global views of one term are compared as equals: one size. Small crops are not larger than they."""
    term = spec.terms[number]
    where = f'Term {number + 1}, composition "{term.composition.name}", method {spec.method.name}'
    whole = [group for group in term.composition.views if group.role == "global"]
    sides = [_side(group, side) for group in whole]
    if len(set(sides)) > 1:
        raise SpecError.at(
            where,
            "size",
            "one size for all global views",
            " and ".join(f"{s} px" for s in dict.fromkeys(sides)),
            (
                f"Give both groups size: {max(sides)}, or make the small crops `role: local` "
                "(swav, deepcluster_v2 and dino take them)."
            ),
        )
    for group in term.composition.views:
        if group.role == "local" and _side(group, side) > sides[0]:
            raise SpecError.at(
                where,
                f"size of view group {group.name}",
                f"at most {sides[0]} px, the side of the global views",
                f"{_side(group, side)} px",
                "Lower it, or make the group `role: global`.",
            )


def _side(group: ViewGroup, side: int) -> int:
    return side if group.size is None else group.size


def _lower(images: int) -> int:
    """The largest power of two that fits."""
    return int(2 ** (images.bit_length() - 1))
