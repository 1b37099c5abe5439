"""A network that was solved for: a feature bank and the linear map that keeps what views have in common."""

from __future__ import annotations

import json
from collections.abc import Mapping

from torch import Tensor, nn

from ssrl_core.learning.backbones.encoder import Encoder

NAMES: tuple[str, ...] = ()  # made by `learning.solving` and read back by `rebuilt`
PREFIX = "solved/"


class Solved(nn.Module):
    """(B,C,S,S) to (B,k): `bank` makes D features, `map` combines them."""

    def __init__(self, bank: nn.Module, features: int, dim: int) -> None:
        super().__init__()
        self.bank = bank
        self.map = nn.Linear(features, dim)

    def forward(self, images: Tensor) -> Tensor:
        """(B,C,S,S) to (B,k)."""
        embedding: Tensor = self.map(self.bank(images))
        return embedding


def rebuilt(metadata: Mapping[str, str], state: Mapping[str, Tensor]) -> Encoder:
    """The encoder that a file describes, its weights to be laid in.

    Args:
        metadata: of `encoders.save_encoder`; `inner` describes a bank that is an encoder itself.
        state: the tensors of the file, for their names.
    """
    from ssrl_core.learning.encoders import rebuild
    from ssrl_core.learning.features import empty

    channels = int(metadata["channels"])
    if "inner" in metadata:
        inner = {k.removeprefix("bank.body."): v for k, v in state.items() if k.startswith("bank.body.")}
        bank: nn.Module = rebuild(json.loads(metadata["inner"]), inner)
    else:
        bank = empty(metadata["backbone"].removeprefix(PREFIX), channels)
    dim, features = int(metadata["dim"]), int(metadata["features"])
    return Encoder(
        Solved(bank, features, dim),
        name=metadata["backbone"],
        dim=dim,
        channels=channels,
        side=int(metadata["side_px"]),
        stem=metadata["stem"],
        mean=json.loads(metadata["mean"]),
        sd=json.loads(metadata["sd"]),
    )
