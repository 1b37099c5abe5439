"""DeepCluster v2: predict the cluster that the image was put in after the epoch before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ssrl_core.compositions.pixels import send
from ssrl_core.errors import SpecError
from ssrl_core.learning.backbones.encoder import Encoder
from ssrl_core.learning.methods.base import Method, Setup, TermLoss, Views, generator, perceptron

_CHUNK = 8192


@torch.no_grad()
def spherical_kmeans(
    rows: Tensor, centroids: Tensor, *, iterations: int = 10, counts: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Clusters by the largest dot product.

    Args:
        rows: (N,D) of unit length.
        centroids: (K,D) to start from, of unit length.
        iterations: moves of the centroids; a centroid without rows stays.
        counts: (N,) bool, which rows count; the others must be 0. All where left out.

    Returns:
        Cluster ids (N,) int64 of the last centroids, and these (K,D).
    """
    present = rows.new_ones(len(rows)) if counts is None else counts.to(rows.dtype)
    for _ in range(iterations):
        ids = _closest(rows, centroids)
        members = torch.zeros(len(centroids), dtype=rows.dtype, device=rows.device)
        members.index_add_(0, ids, present)
        sums = torch.zeros_like(centroids).index_add_(0, ids, rows)
        moved = functional.normalize(sums / members.clamp(min=1)[:, None], dim=1)
        centroids = torch.where(members[:, None] > 0, moved, centroids)
    return _closest(rows, centroids), centroids


def _closest(rows: Tensor, centroids: Tensor) -> Tensor:
    return torch.cat([(part @ centroids.T).argmax(dim=1) for part in torch.split(rows, _CHUNK)])


_UNKNOWN = -1
_MEMORIES = 2  # one for each whole view; the sets of prototypes take them in turn
_KMEANS_ITERATIONS = 10


def deepcluster_v2_loss(logits: Tensor, assignments: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Cross-entropy to the cluster ids, mean over the sets of prototypes.

    Args:
        logits: (sets, views, N, K) similarities to the centroids.
        assignments: (sets, N) cluster ids; -1 is left out.

    Source:
        Caron et al. 2020, arXiv:2006.09882, section 4.1 and appendix; Caron et al. 2018, arXiv:1807.05520.
    """
    sets, views = logits.shape[:2]
    losses = [
        functional.cross_entropy(
            logits[i].flatten(0, 1) / temperature, assignments[i].repeat(views), ignore_index=_UNKNOWN
        )
        for i in range(sets)
    ]
    return torch.stack(losses).mean()


class Memory(nn.Module):
    """What one term remembers: projections of the last epoch, centroids, and which image is in which cluster."""

    rows: Tensor
    seen: Tensor
    centroids: Tensor
    assignments: Tensor

    def __init__(self, images: int, dim: int, sets: int, prototypes: int) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(_MEMORIES, images, dim))
        self.register_buffer("seen", torch.zeros(images, dtype=torch.bool))
        self.register_buffer("centroids", torch.zeros(sets, prototypes, dim))
        self.register_buffer("assignments", torch.full((sets, images), _UNKNOWN))

    @torch.no_grad()
    def keep(self, places: Tensor, projections: Sequence[Tensor]) -> None:
        """Projections (one (B,dim) a memory) of the images at these places."""
        for memory, projection in zip(self.rows, projections, strict=True):
            memory.index_copy_(0, places, projection.detach())
        self.seen[places] = True

    @torch.no_grad()
    def cluster(self, seed: Sequence[int]) -> None:
        """New centroids and ids from the memory, started from seeded rows of it.

        How many rows were seen is known on the device alone: they are brought to the front and weighted, not picked
        out, so that the host never waits for their number.
        """
        for index in range(len(self.centroids)):
            rows = self.rows[index % _MEMORIES]
            order = send(generator(*seed, index).permutation(len(rows)), rows.device, torch.int64)
            start = order[torch.argsort(~self.seen[order], stable=True)][: self.centroids.shape[1]]
            ids, centroids = spherical_kmeans(rows, rows[start], iterations=_KMEANS_ITERATIONS, counts=self.seen)
            self.centroids[index].copy_(centroids)
            self.assignments[index].copy_(torch.where(self.seen, ids, _UNKNOWN))


class DeepClusterV2(Method):
    """Prototypes are the centroids of the epoch before; they get no gradient."""

    first_pass = True
    local_views = True

    def __init__(self, encoder: Encoder, settings: Mapping[str, Any], setup: Setup) -> None:
        super().__init__(encoder, settings, setup)
        projection = settings["projection_dim"]
        self.add_projector(perceptron(self.inputs, settings["hidden_dim"], projection))
        for _ in range(setup.terms):
            self.states.append(Memory(setup.images, projection, settings["prototype_sets"], settings["prototypes"]))

    @classmethod
    def check(cls, name: str, settings: Mapping[str, Any], setup: Setup) -> None:
        """There must be as many images as prototypes."""
        super().check(name, settings, setup)
        seen = setup.images // setup.batch_size * setup.batch_size
        if settings["prototypes"] > seen:
            raise SpecError.at(
                f"Method {name}",
                "prototypes",
                f"at most {seen}, the train images of an epoch's whole batches",
                settings["prototypes"],
                f"Set prototypes to {max(2, seen // 10)} or fewer, or take more images.",
            )

    def begin_epoch(self) -> None:
        """Cluster what the last epoch saw."""
        for term in range(self.setup.terms):
            self.state(term).cluster([self.setup.seed, self.epoch, term])

    @torch.no_grad()
    def remember(self, term: int, views: Views, rows: Tensor) -> None:
        """Fill the memory before the first epoch."""
        _, projections = self.all_projected(views.whole[:_MEMORIES])
        self.state(term).keep(rows, [functional.normalize(z, dim=1) for z in projections])

    def term_loss(self, term: int, views: Views, rows: Tensor) -> TermLoss:
        """All views predict the ids of the last clustering; the memory takes the new projections."""
        memory = self.state(term)
        embeddings, projections = self.all_projected(views.all)
        projections = [functional.normalize(z, dim=1) for z in projections]
        logits = torch.stack([torch.stack([z @ c.T for z in projections]) for c in memory.centroids])
        assignments = memory.assignments[:, rows]
        loss = deepcluster_v2_loss(logits, assignments, temperature=self.settings["temperature"])
        memory.keep(rows, projections[:_MEMORIES])
        return TermLoss(loss, embeddings[0].detach(), projections[0].detach())


METHOD = DeepClusterV2
