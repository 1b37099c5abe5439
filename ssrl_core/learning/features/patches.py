"""Patches of the image set itself: how near each place of an image is to typical whitened patches.

Source: Coates & Ng 2011, "The importance of encoding versus training with sparse coding and vector quantization", and
Coates, Ng & Lee 2011: patches, contrast normalisation, whitening, k-means, "triangle" activation, means over quarters.
"""

from __future__ import annotations

import inspect

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ssrl_core.learning import features

NAMES = ("patches",)
SIDE, PATCH, STEP, CENTRES = 32, 6, 2, 256
_SAMPLES, _SMALL, _RIDGE = 20_000, 1e-2, 0.1


def build(name: str, images: Tensor, seed: int, mean: tuple[float, ...], sd: tuple[float, ...]) -> features.Bank:
    """See `features.build`; whitening and centres come from up to 20,000 patches of the images."""
    made = PatchFeatures(images.shape[1])
    normed = (images - torch.tensor(mean).view(1, -1, 1, 1)) / torch.tensor(sd).view(1, -1, 1, 1)
    made.learn(normed, seed)
    return features.Bank(name, made, 4 * CENTRES, mean, sd)


def module(name: str, channels: int) -> nn.Module:
    """The network, its patches to come."""
    return PatchFeatures(channels)


def source(name: str, channels: int) -> str:
    """See `features.source`."""
    numbers = f"SIDE, PATCH, STEP, CENTRES, _SMALL = {(SIDE, PATCH, STEP, CENTRES, _SMALL)}"
    return f"{numbers}\n\n{inspect.getsource(PatchFeatures)}\nbank = PatchFeatures({channels})"


class PatchFeatures(nn.Module):
    """(B,C,S,S) to (B,1024): mean over each quarter of how much nearer than usual a place is to each centre."""

    centre: Tensor
    whiten: Tensor
    centroids: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        size = channels * PATCH * PATCH
        self.register_buffer("centre", torch.zeros(size))
        self.register_buffer("whiten", torch.zeros(size, size))
        self.register_buffer("centroids", torch.zeros(CENTRES, size))

    def forward(self, images: Tensor) -> Tensor:
        """(B,C,S,S) to (B,1024)."""
        patches = self.patches(images)
        white = (patches - self.centre) @ self.whiten
        lengths = (white * white).sum(2, keepdim=True)
        squares = lengths - 2 * white @ self.centroids.T + (self.centroids * self.centroids).sum(1)
        distances = squares.clamp(min=0).sqrt()
        near = functional.relu(distances.mean(dim=2, keepdim=True) - distances)
        places = (SIDE - PATCH) // STEP + 1
        maps = near.transpose(1, 2).reshape(-1, CENTRES, places, places)
        return functional.avg_pool2d(maps, places // 2).flatten(1)

    def patches(self, images: Tensor) -> Tensor:
        """(B,C,S,S) to (B,places,C·36): every second place at 32 px, each patch brought to mean 0 and sd about 1."""
        if images.shape[-1] != SIDE:
            smaller = images.shape[-1] > SIDE
            images = functional.interpolate(images, (SIDE, SIDE), mode="bilinear", antialias=smaller)
        found = functional.unfold(images, PATCH, stride=STEP).transpose(1, 2)
        found = found - found.mean(dim=2, keepdim=True)
        return found / (found.var(dim=2, keepdim=True) + _SMALL).sqrt()

    @torch.no_grad()
    def learn(self, images: Tensor, seed: int) -> None:
        """Whitening (ZCA) and k-means centres of some of the images' patches."""
        from sklearn.cluster import MiniBatchKMeans

        chance = np.random.default_rng(seed)
        all_patches = torch.cat([self.patches(part) for part in torch.split(images, 256)]).flatten(0, 1)
        chosen = chance.permutation(len(all_patches))[:_SAMPLES]
        some = all_patches[torch.from_numpy(chosen)].double()
        mean = some.mean(dim=0)
        values, vectors = torch.linalg.eigh(torch.cov(some.T))
        whiten = vectors @ torch.diag((values.clamp(min=0) + _RIDGE).rsqrt()) @ vectors.T
        white = ((some - mean) @ whiten).float().numpy()
        found = MiniBatchKMeans(min(CENTRES, len(white)), batch_size=2048, n_init=1, random_state=seed, max_iter=30)
        centres = found.fit(white).cluster_centers_
        self.centre.copy_(mean)
        self.whiten.copy_(whiten)
        self.centroids.copy_(torch.from_numpy(np.resize(centres, (CENTRES, centres.shape[1]))))
