"""What a selection is made of, as a figure for a paper: share of each value among the selected and among all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ssrl_core.figures.colours import ACCENT
from ssrl_core.figures.sheets import INK, QUIET, plain, sheet

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

MOST_BARS = 20
_BAR_MM, _LONGEST = 5.0, 28


def counts_file(
    counts: pd.DataFrame, kind: str, *, colours: Mapping[str, str], title: str = "", caption: str = ""
) -> bytes:
    """The bytes of a file (`sheets.sheet`): bars with their 95 % intervals, a tick at the share of all images.

    Args:
        counts: of `analysis.selection.counts_of_codes`; the 20 commonest values are drawn.
        colours: of values; the others are drawn in the accent.
    """
    shown = counts[counts["selected"] > 0].head(MOST_BARS)

    def draw(axes: Any, page: Any) -> None:
        for at, row in enumerate(shown.itertuples()):
            name = "no value" if row.value is None else str(row.value)
            axes.barh(at, 100 * row.share, height=0.62, color=colours.get(name, ACCENT))
            error = [[100 * (row.share - row.low)], [100 * (row.high - row.share)]]
            axes.errorbar(100 * row.share, at, xerr=error, fmt="none", ecolor=INK, elinewidth=0.8, capsize=1.5)
            axes.plot([100 * row.share_all] * 2, [at - 0.42, at + 0.42], color=INK, lw=1.4)
            axes.text(
                100 * max(row.high, row.share_all) + 1.5,
                at,
                f"{row.selected} of {row.all}",
                va="center",
                fontsize=6,
                color=QUIET,
            )
        axes.set_yticks(
            range(len(shown)), [_short("no value" if v is None else str(v)) for v in shown["value"]], color=INK
        )
        axes.set_ylim(max(len(shown), 1) - 0.5, -0.5)
        axes.set_xlim(0, None)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("share of the selected images, %")
        axes.spines[["top", "right", "left"]].set_visible(False)

    tall = max(20.0, _BAR_MM * len(shown) + 12)
    return sheet(draw, kind, title=title, caption=caption, height_mm=tall, box=(0.34, 12 / tall, 0.56, 1 - 14 / tall))


def _short(name: str) -> str:
    return plain(name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…")
