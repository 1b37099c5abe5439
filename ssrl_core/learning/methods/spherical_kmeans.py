"""k-means on the unit sphere, as DeepCluster v2 uses it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_CHUNK = 8192


@torch.no_grad()
def spherical_kmeans(rows: Tensor, centroids: Tensor, *, iterations: int = 10) -> tuple[Tensor, Tensor]:
    """Clusters by the largest dot product.

    Args:
        rows: (N,D) of unit length.
        centroids: (K,D) to start from, of unit length.
        iterations: moves of the centroids; a centroid without rows stays.

    Returns:
        Cluster ids (N,) int64 of the last centroids, and these (K,D).
    """
    for _ in range(iterations):
        ids = _closest(rows, centroids)
        members = torch.zeros(len(centroids), dtype=rows.dtype, device=rows.device)
        members.index_add_(0, ids, torch.ones_like(members[:1]).expand(len(rows)))
        sums = torch.zeros_like(centroids).index_add_(0, ids, rows)
        moved = functional.normalize(sums / members.clamp(min=1)[:, None], dim=1)
        centroids = torch.where(members[:, None] > 0, moved, centroids)
    return _closest(rows, centroids), centroids


def _closest(rows: Tensor, centroids: Tensor) -> Tensor:
    return torch.cat([(part @ centroids.T).argmax(dim=1) for part in torch.split(rows, _CHUNK)])
