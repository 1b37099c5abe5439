"""Sentences of the Classes page: winners and losers by name, the commonest mistakes; never which run is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

PROBES = (
    "Linear: a logistic regression on the frozen embedding. kNN: a vote of the nearest training images. "
    "Fine-tuned: the whole network was trained on with so many of the labels, to see whether the bias goes."
)
_NAMED = 3


def probe(name: str) -> str:
    """A probe as one reads it: `Linear`, `kNN`, `Fine-tuned, 1 %`; another table's own name stays."""
    kind, _, share = name.partition("-")
    if kind == "finetune" and share:
        try:
            return f"Fine-tuned, {100 * float(share):.3g} %"
        except ValueError:
            return name
    return {"linear": "Linear", "knn": "kNN"}.get(name, name)


def winners_and_losers(rows: Sequence[Mapping[str, Any]], first: str, second: str) -> str:
    """Markdown: which classes clearly gain and which lose from the first run to the second.

    Args:
        rows: of `analysis.classes.compare_classes`, largest gain first.
    """
    up = [row for row in rows if row["clear"] and row["difference"] > 0]
    down = [row for row in reversed(rows) if row["clear"] and row["difference"] < 0]
    start = f"From {quoted(first)} to {quoted(second)}: "
    if not up and not down:
        return start + f"no class of {len(rows)} changes by more than chance would explain."
    parts = [_listed(up, "gain" if len(up) != 1 else "gains"), _listed(down, "lose" if len(down) != 1 else "loses")]
    unclear = len(rows) - len(up) - len(down)
    rest = f" {unclear} of {len(rows)} classes stay within their intervals." if unclear else ""
    return start + "; ".join(part for part in parts if part) + "." + rest


def mistakes(pairs: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: the commonest mistakes, of `analysis.classes.confused_pairs`."""
    if not pairs:
        return "No image is mistaken."
    told = [f"{quoted(p['truth'])} for {quoted(p['predicted'])} ({p['n']}, {100 * p['share']:.0f} %)" for p in pairs]
    return "Most often taken: " + ", ".join(told) + "."


def points(difference: float) -> str:
    """A difference of accuracies as percentage points with its sign."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def quoted(name: str) -> str:
    """A user's name in italics, its signs of Markdown disarmed."""
    text = str(name)
    for sign in "\\`*_[]$<>~:":
        text = text.replace(sign, "\\" + sign)
    return f"*{text}*"


def _listed(rows: Sequence[Mapping[str, Any]], verb: str) -> str:
    if not rows:
        return ""
    named = [
        f"{quoted(row['class'])} {points(row['difference'])} ({points(row['low'])} to {points(row['high'])})"
        for row in rows[:_NAMED]
    ]
    more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
    return f"{', '.join(named)}{more} {verb}"
