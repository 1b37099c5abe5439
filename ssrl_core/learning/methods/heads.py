"""Projectors and predictors: small perceptrons that only the loss sees."""

from __future__ import annotations

from itertools import pairwise

from torch import nn


def perceptron(
    *widths: int,
    hidden_norm: bool = True,
    last_norm: bool = False,
    last_affine: bool = True,
    activation: type[nn.Module] = nn.ReLU,
) -> nn.Sequential:
    """Linear layers of these widths.

    Args:
        widths: input, hidden…, output.
        hidden_norm: batch norm after each hidden layer; the layer before it then has no bias, which would cancel.
        last_norm: batch norm after the last layer too; last_affine: with scale and shift.
        activation: after each hidden layer.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths[:-1]):
        layers.append(nn.Linear(inputs, outputs, bias=not hidden_norm))
        if hidden_norm:
            layers.append(nn.BatchNorm1d(outputs))
        layers.append(activation())
    layers.append(nn.Linear(widths[-2], widths[-1], bias=not last_norm))
    if last_norm:
        layers.append(nn.BatchNorm1d(widths[-1], affine=last_affine))
    return nn.Sequential(*layers)
