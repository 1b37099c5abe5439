"""What a run's network tells: beside raw pixels, no learning and its forecast, and in a sentence or two."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ssrl_core.datasets.store import torn_words
from ssrl_core.runs.folder.results import Results, Scores
from ssrl_core.specs.methods import SPECTRAL, UNTRAINED
from ssrl_core.specs.run import EMBED_WORDS

if TYPE_CHECKING:
    import pandas as pd

    from ssrl_core.specs.run import RunSpec


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
    """The same as rows: name (as one reads it), kind, source (own, pixels, forecast), value, low, high."""
    import pandas as pd

    from ssrl_core.analysis.descriptors import titled

    rows = [
        {"name": titled(share.name, share.kind), "kind": share.kind, "source": source, **span}
        for share in shares(results)
        for source in ("own", "pixels", "forecast")
        if (span := getattr(share, source)) is not None
    ]
    return pd.DataFrame(rows, columns=["name", "kind", "source", "value", "low", "high"])


def worse_than_pixels(results: Results) -> str:
    """A sentence that names what the network tells less of than raw pixels do, most first; "" where nothing is."""
    from ssrl_core.analysis.descriptors import titled

    worse = sorted((share for share in shares(results) if share.below_pixels), key=_below_by, reverse=True)
    below = [titled(share.name, share.kind) for share in worse]
    more = f" and {len(below) - _MOST_NAMED} more" if len(below) > _MOST_NAMED else ""
    return f"This network does worse than raw pixels at {'; '.join(below[:_MOST_NAMED])}{more}." if below else ""


def _below_by(share: Share) -> float:
    return (share.pixels or {})["value"] - (share.own or {})["value"]


def _rows(entry: Any) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in (entry or {}).get("rows", ())}


def _span(row: dict[str, Any] | None) -> dict[str, float] | None:
    return None if row is None else {key: float(row[key]) for key in ("value", "low", "high")}


_SCORES = {"knn": "kNN", "ami": "AMI"}
_AMI_MARGIN = 0.02  # k-means from another start moves AMI by about as much
_KEPT, _MOST_NAMED = 0.6, 3


def reference_words(*, solved: bool) -> dict[str, str]:
    """What a run is set beside -> its name: a network that was solved has its feature bank for an untrained one."""
    return {"pixels": "raw pixels", "untrained": "its features alone" if solved else "the untrained network"}


def verdict(results: Results, *, trained: bool = True, solved: bool = False) -> str:
    """What the numbers say, against raw pixels and the untrained network, of the same images.

    A difference in kNN below twice its standard error, or in AMI below 0.02, counts as none; what else can be read from
    the network (the part `read`) is named where raw pixels tell more of it.

    Args:
        trained: False for a network that was solved for or taken as it came, which cannot be trained longer.
        solved: the network was solved for.
    """
    if not results:
        return "Nothing was measured yet."
    own, every = _own(results), _compared(results)
    names = reference_words(solved=solved)
    parts, worse = [], any("worse than" in found.values() for found in every.values())
    for key, title in _SCORES.items():
        beside = " and ".join(
            f"{how} {names[name]} ({getattr(results.reference(name), key):.2f})" for name, how in every[key].items()
        )
        if beside:
            parts.append(f"{title} {getattr(own, key):.2f}: {beside}.")
    if not parts:
        parts = ["There are no labels to judge it by." if own.knn is own.ami is None else "Nothing to set it beside."]
    remedy = " Train longer, or choose weaker steps." if trained else " Choose weaker steps, or another feature bank."
    said = " ".join(parts) + (remedy if worse else "")
    return f"{said} {worse_than_pixels(results)}".strip()


def in_words(results: Results, spec: RunSpec) -> str:
    """The verdict on a run, what it keeps, and what makes its numbers doubtful."""
    judged = verdict(results, trained=spec.is_trained, solved=spec.is_solved)
    said = [judged, kept(results), embedded(results), torn_words(spec.dataset.name) if results else ""]
    return " ".join(part for part in said if part)


def embedded(results: Results) -> str:
    """What was embedded, where it is not what the backbone makes of an image; else ""."""
    if results.embed not in EMBED_WORDS:
        return ""
    return f"All of it is of {EMBED_WORDS[results.embed]} ({results.dim} numbers), not of the backbone's features."


def standing(results: Results, method: str | None = None) -> str:
    """Beside raw pixels and the untrained network, in a few words: "Better than raw pixels", "Worse than raw pixels in
    kNN: train longer"; "" if unknown.

    Args:
        method: of the run, for what an untrained network is called and whether training longer can help.
    """
    compared = {_SCORES[key]: found for key, found in _compared(results).items()}
    how = {title: found["pixels"] for title, found in compared.items() if "pixels" in found}
    words = _beside_pixels(how)
    alone = [title for title, found in compared.items() if found.get("untrained") not in (None, "better than")]
    if words and alone and len(alone) == sum("untrained" in found for found in compared.values()):
        words += f"; no better than {reference_words(solved=method == SPECTRAL.name)['untrained']}"
    trained = method is not None and method not in UNTRAINED
    return f"{words}: train longer" if trained and (words.startswith("Worse") or "no better" in words) else words


def _beside_pixels(how: dict[str, str]) -> str:
    worse = [title for title, words in how.items() if words == "worse than"]
    better = [title for title, words in how.items() if words == "better than"]
    if worse:
        return f"Worse than raw pixels in {' and '.join(worse)}" + (f", better in {better[0]}" if better else "")
    if len(better) < len(how):
        return f"Better than raw pixels in {better[0]}" if better else "About as good as raw pixels"
    return "Better than raw pixels" if how else ""


@lru_cache(maxsize=20_000)
def standing_of(judged: str | None, method: str | None) -> str:
    """The same from what lists of runs know: `judged` of the registry."""
    return standing(Results(json.loads(judged or "{}")), method)


def judged(results: Results) -> str:
    """What `standing_of` needs of results, as JSON; the registry makes the same of its rows."""
    clusters = {k: {"ami": (found or {}).get("ami")} for k, found in (results.entry("clusters") or {}).items()}
    knn = {"top1": (results.entry("knn") or {}).get("top1")}
    told = {"n": results.data.get("n"), "knn": knn, "clusters": clusters, "references": results.entry("references")}
    return json.dumps(told)


def kept(results: Results) -> str:
    """A sentence that names what can be read best from the network; "" where nothing was read, or nothing well."""
    from ssrl_core.analysis.descriptors import titled

    read = [share for share in shares(results) if share.own is not None and share.own["value"] >= _KEPT]
    best = sorted(read, key=lambda share: -(share.own or {})["value"])[:_MOST_NAMED]
    named = [f"{titled(share.name, share.kind)} ({100 * (share.own or {})['value']:.0f} %)" for share in best]
    return f"It keeps best: {'; '.join(named)}." if named else ""


def _own(results: Results) -> Scores:
    return Scores(knn=results.knn.top1 if results.knn else None, ami=results.columns()["ami"])


def _compared(results: Results) -> dict[str, dict[str, str]]:
    """Score -> reference -> how the run stands to it; empty where a score is not known."""
    own = _own(results)
    margins = {"knn": _knn_margin(own.knn, results.n), "ami": _AMI_MARGIN}
    values = {key: getattr(own, key) for key in _SCORES}
    return {key: {} if v is None else _against(results, key, v, margins[key]) for key, v in values.items()}


def _against(results: Results, key: str, value: float, margin: float) -> dict[str, str]:
    """Reference -> how the value stands to it."""
    found = {}
    for name in ("pixels", "untrained"):
        other = getattr(results.reference(name), key)
        if other is not None:
            more = value - other
            found[name] = "about as good as" if abs(more) <= margin else "better than" if more > 0 else "worse than"
    return found


def _knn_margin(share: float | None, n: int) -> float:
    """Twice the standard error of the difference of two shares of n images, taken as independent."""
    n = max(n, 1)  # damaged results may not say it
    return 0.0 if share is None else 2 * math.sqrt(2 * max(share * (1 - share), 1 / n) / n)
