"""Whitening by Newton's iteration, in groups of dimensions (IterNorm)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_EPS = 1e-5


class IterativeWhitening(nn.Module):
    """(N,P) to (N,P): in each group of P/groups neighbouring dimensions, mean 0 and covariance nearly the identity.

    Always of the batch at hand (it is part of a loss, never of an embedding), followed by a learned scale and shift.

    Source:
        Huang et al. 2019, arXiv:1904.03441, algorithm 1.
    """

    def __init__(self, dim: int, *, groups: int = 64, iterations: int = 5) -> None:
        super().__init__()
        self.groups, self.iterations = groups, iterations
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, z: Tensor) -> Tensor:
        """(N,P) to (N,P)."""
        return whiten(z, groups=self.groups, iterations=self.iterations) * self.weight + self.bias


def whiten(z: Tensor, *, groups: int, iterations: int) -> Tensor:
    """The whitening alone; P is a multiple of groups."""
    count, dim = z.shape
    x = z.T.reshape(groups, dim // groups, count)
    x = x - x.mean(dim=2, keepdim=True)
    identity = torch.eye(dim // groups, dtype=z.dtype, device=z.device).expand(groups, -1, -1)
    covariance = torch.baddbmm(identity, x, x.transpose(1, 2), beta=_EPS, alpha=1.0 / count)
    inverse_trace = 1 / covariance.diagonal(dim1=1, dim2=2).sum(dim=1).view(-1, 1, 1)
    scaled = covariance * inverse_trace
    root = identity
    for _ in range(iterations):  # converges to scaled^(-1/2)
        root = torch.baddbmm(root, root @ root @ root, scaled, beta=1.5, alpha=-0.5)
    white = root * inverse_trace.sqrt() @ x
    return white.reshape(dim, count).T
