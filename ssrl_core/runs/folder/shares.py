"""What can be read from a run's network, beside raw pixels and beside the forecast made for its composition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ssrl_core.runs.folder.results import Results

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Share:
    """How much of one thing can be read: from the run's embedding, from pixels, and as it was forecast.

    Attributes:
        kind: descriptor, column or classes.
        own, pixels, forecast: {value, low, high}; None where it was not measured.
    """

    name: str
    kind: str
    own: dict[str, float] | None
    pixels: dict[str, float] | None
    forecast: dict[str, float] | None

    @property
    def below_pixels(self) -> bool:
        """The network tells less of it than raw pixels do, beyond the intervals of both."""
        if self.own is None or self.pixels is None:
            return False
        return self.own["high"] < self.pixels["value"] and self.own["value"] < self.pixels["low"]


def shares(results: Results) -> list[Share]:
    """Everything that was read or forecast, in the order in which it was read."""
    read, before = (_rows(results.entry(part)) for part in ("read", "forecast"))
    found = []
    for name in dict.fromkeys((*read, *before)):
        own, told = read.get(name), before.get(name)
        kind = (own or told or {})["kind"]
        found.append(Share(name, kind, _span(own), _span((own or {}).get("pixels")), _span(told)))
    return found


def shares_table(results: Results) -> pd.DataFrame:
    """The same as rows: name, kind, source (own, pixels, forecast), value, low, high."""
    import pandas as pd

    rows = [
        {"name": share.name, "kind": share.kind, "source": source, **span}
        for share in shares(results)
        for source in ("own", "pixels", "forecast")
        if (span := getattr(share, source)) is not None
    ]
    return pd.DataFrame(rows, columns=["name", "kind", "source", "value", "low", "high"])


def worse_than_pixels(results: Results) -> str:
    """A sentence that names what the network tells less of than raw pixels do; "" where there is nothing."""
    below = [share.name.replace("_", " ") for share in shares(results) if share.below_pixels]
    return f"This network does worse than raw pixels at {', '.join(below)}." if below else ""


def _rows(entry: Any) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in (entry or {}).get("rows", ())}


def _span(row: dict[str, Any] | None) -> dict[str, float] | None:
    return None if row is None else {key: float(row[key]) for key in ("value", "low", "high")}
