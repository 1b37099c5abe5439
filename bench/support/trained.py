"""A run to measure a training with: real images in a store that goes away, and lightly's loop with the same maths."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from bench.support.images import Pictures
from bench.support.views_peers import MEAN, SD
from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.datasets.imageset import ImageSet
from ssrl_core.learning.training import Training
from ssrl_core.specs.run import RunSpec

NAME = "bench"
TEMPERATURE, HIDDEN, PROJECTION = 0.2, 2048, 256
LR, WEIGHT_DECAY, MOMENTUM = 0.3, 1e-4, 0.9
JITTER = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.2, "hue": 0.1}


@contextmanager
def imageset_of(pictures: Pictures, labels: np.ndarray[Any, Any] | None = None) -> Iterator[ImageSet]:
    """The pictures as an image set in a temporary store; all but a tenth are train images where labels are given."""
    before = {name: os.environ.get(name) for name in ("SSRL_DATA", "SSRL_MODELS")}
    with tempfile.TemporaryDirectory(prefix="viewloom-bench-") as folder:
        for name in before:
            os.environ[name] = str(Path(folder) / name.lower())
        try:
            count = len(pictures.pixels)
            table = pd.DataFrame({"source": [f"bench#{i}" for i in range(count)], "split": ["train"] * count})
            if labels is not None:
                table["split"] = ["test" if i % 10 == 0 else "train" for i in range(count)]
                table["kind"] = labels
            yield create(NAME, pictures.pixels, table, Metadata(label=None if labels is None else "kind"))
        finally:
            for name, value in before.items():
                os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)


def spec_of(backbone: str, batch: int, *, device: str = "auto", precision: str = "float32") -> RunSpec:
    """SimCLR with the paper's composition for CIFAR and plain SGD."""
    return RunSpec.from_mapping(
        {
            "dataset": NAME,
            "backbone": backbone,
            "method": {"name": "simclr", "hidden_dim": HIDDEN, "projection_dim": PROJECTION},
            "terms": "cifar-base",
            "optimizer": {"name": "sgd", "lr": LR, "weight_decay": WEIGHT_DECAY},
            "schedule": {"name": "constant", "warmup_epochs": 0},
            "batch_size": batch,
            "epochs": 1,
            "device": device,
            "precision": precision,
        }
    )


class Lightly:
    """lightly's own transform, head and loss around torchvision's ResNet with the same stem, in plain PyTorch.

    Args:
        training: ours; the weights are taken from it, so that both losses can be compared.
    """

    def __init__(self, training: Training) -> None:
        from lightly.loss import NTXentLoss
        from lightly.models.modules import SimCLRProjectionHead
        from lightly.transforms import SimCLRTransform
        from torchvision import models

        name, self.device = training.spec.backbone.name, training.device
        network = models.get_model(name, weights=None)
        dim = network.fc.in_features
        network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        network.maxpool, network.fc = nn.Identity(), nn.Identity()
        network.load_state_dict(training.method.encoder.body.state_dict())
        head = SimCLRProjectionHead(dim, HIDDEN, PROJECTION, batch_norm=False)
        head.layers.load_state_dict(training.method.heads["projector"].state_dict())
        self.model = nn.Sequential(network, head).to(self.device).train()
        self.criterion = NTXentLoss(temperature=TEMPERATURE)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
        j = JITTER
        self.transform = SimCLRTransform(
            input_size=32,
            cj_prob=0.8,
            cj_bright=j["brightness"],
            cj_contrast=j["contrast"],
            cj_sat=j["saturation"],
            cj_hue=j["hue"],
            min_scale=0.2,
            random_gray_scale=0.0,
            gaussian_blur=0.0,
            normalize={"mean": list(MEAN), "std": list(SD)},
        )

    def views(self, images: list[Any]) -> tuple[Tensor, Tensor]:
        """Two normalised views of PIL images, as its data loader makes them in one process."""
        first, second = zip(*(self.transform(image) for image in images), strict=True)
        return torch.stack(first).to(self.device), torch.stack(second).to(self.device)

    def loss(self, first: Tensor, second: Tensor) -> Tensor:
        """NT-Xent of two normalised views."""
        found: Tensor = self.criterion(self.model(first), self.model(second))
        return found

    def step(self, views: Callable[[], tuple[Tensor, Tensor]]) -> float:
        """One step of its documentation's loop."""
        loss = self.loss(*views())
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.optimizer.zero_grad()
        return float(loss.detach())
