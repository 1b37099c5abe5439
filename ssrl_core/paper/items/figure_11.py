"""Figure 11: figure 1 for more data sets and methods."""

from __future__ import annotations

from dataclasses import replace

from ssrl_core.paper.items import figure_1

ITEM = replace(
    figure_1.ITEM,
    id="figure-11",
    title="Figure 1 for more data sets and methods",
    claim="As figure 1: overall accuracy stays, class accuracies move.",
    results_of="figure-1",
)
