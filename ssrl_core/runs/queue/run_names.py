"""How a run is called, by what makes it different, composition first, never by its id; and which run somebody means.

    mnist-first-set · strokes · BYOL · ResNet18 · seed 5
    mnist-first-set × 1 + mnist-second-set × 0.4 · mu 0.1 · strokes · Spectral · Random features · seed 5

Runs that are shown together and would read the same say where their specs differ (what a sweep varies, epochs, …).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from ssrl_core.errors import SpecError, SSRLError
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import registry
from ssrl_core.runs.queue.identity import spec_of_text
from ssrl_core.runs.queue.registry import RunRow
from ssrl_core.specs.backbones import BACKBONES, BANKS
from ssrl_core.specs.methods import METHODS, UNTRAINED
from ssrl_core.specs.run import NOT_HASHED, RunSpec
from ssrl_core.specs.yaml_files import differences, flat


@dataclass(frozen=True)
class _Known:
    """What was read of a registry.

    Attributes:
        stamp: when.  made: id -> when the run was made.  names: id -> its compositions.
        whole: every spec was read then, not only those that were new.
    """

    stamp: registry.Stamp
    made: Mapping[str, str]
    names: Mapping[str, str]
    whole: bool


_MOST_DIFFERENCES = 3
_NOT_TOLD = (*NOT_HASHED, "seed", "version")
_SILENT = ("terms", "composition", "steps", "views", "optimizer", "method", "schedule", "backbone")
# as JSON (waiting) and as canonical YAML: a term begins with its weight, a composition with its version and its name
_TERM = re.compile(
    r'(?:"?weight"?:\s*([\d.eE+-]+),?\s*)?"?composition"?:\s*\{?\s*"?version"?:\s*\d+,?\s*"?name"?:\s*"?([^",}\n]+)'
)
_known: dict[Path, _Known] = {}


def words(run: RunRow) -> str:
    """A run as one reads it alone: its own name, else composition, images, method, network; then its seed."""
    return _words(run, _own())


def each_in_words(rows: Sequence[RunRow]) -> list[str]:
    """`words` of each; what the registry knows is asked for once."""
    known = _own()
    return [_words(row, known) for row in rows]


def _words(run: RunRow, known: Mapping[str, str]) -> str:
    seed = [f"seed {run['seed']}"] if run.get("seed") is not None else []
    if run.get("name"):
        return " · ".join([str(run["name"]), *seed])
    parts = [_compositions(str(run["id"]), known), run.get("dataset"), _method(run), _network(run)]
    return " · ".join([*(str(part) for part in parts if part), *seed]) or "a run"


def words_of(rows: Sequence[RunRow]) -> dict[str, str]:
    """{id: words} of runs that are shown together: no two read the same."""
    plain = dict(zip((str(row["id"]) for row in rows), each_in_words(rows), strict=True))
    by_id = {str(row["id"]): row for row in rows}
    for same in _alike(plain):
        plain |= {run: _after_first(plain[run], told) for run, told in _differences(same).items()}
    for same in _alike(plain):
        plain |= {run: _after_first(plain[run], _queued(by_id[run])) for run in same}
    for same in _alike(plain):
        plain |= {run: f"{plain[run]} ({number})" for number, run in enumerate(sorted(same), 1)}
    return plain


def _after_first(said: str, told: str) -> str:
    """What tells a run apart comes second, where a narrow list still shows it."""
    first, *rest = said.split(" · ")
    return " · ".join(filter(None, [first, told, *rest]))


def compositions_of(run_id: str) -> str:
    """The compositions of a run's terms, with their weights where there are several; "" where none is known."""
    return _compositions(run_id, _own())


def _compositions(run_id: str, known: Mapping[str, str]) -> str:
    return known[run_id] if run_id in known else _of_folder(run_id)


def all_compositions() -> Mapping[str, str]:
    """The same for every run of the registry, as it says now; read anew when it has changed."""
    return _own(whole=True)


def names_in(text: str) -> str:
    """The same, from the text of a spec, YAML or JSON."""
    found = [(weight, name.strip()) for weight, name in _TERM.findall(text)]
    named = [(weight, name) for weight, name in found if name != "null"]
    if len(named) < 2:
        return "".join(name for _, name in named)
    return " + ".join(f"{name} × {float(weight):g}" if weight else name for weight, name in named)


def differences_in_words(specs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where these specs (flat: dotted path -> value) differ, as each would say it; the first few settings."""
    differ = [path for path in differences(specs) if path.partition(".")[0] not in _NOT_TOLD]
    told = [path for path in differ if not path.endswith(".name") or "composition" not in path][:_MOST_DIFFERENCES]
    return [", ".join(_setting(spec, path) for path in told if path in spec) for spec in specs]


def _method(run: RunRow) -> str:
    name = str(run.get("method") or "")
    row = METHODS.get(name) or UNTRAINED.get(name)
    return row.title.partition(" (")[0] if row else name


def _network(run: RunRow) -> str:
    name = str(run.get("backbone") or "")
    row = BACKBONES.get(name) or BANKS.get(name)
    return row.title if row else name


def _alike(plain: Mapping[str, str]) -> list[list[str]]:
    often = Counter(plain.values())
    return [[run for run, said in plain.items() if said == one] for one, count in often.items() if count > 1]


def _differences(run_ids: Sequence[str]) -> dict[str, str]:
    specs = [_flat_spec(run_id) for run_id in run_ids]
    return dict(zip(run_ids, differences_in_words(specs), strict=True))


def _flat_spec(run_id: str) -> Mapping[str, Any]:
    """A run's spec by dotted paths; empty where it cannot be read."""
    with suppress(SSRLError, OSError):
        return _flat_in(RunFolder(run_id).path)
    return {}


@lru_cache(4096)
def _flat_in(folder: Path) -> Mapping[str, Any]:
    """Read once: a run of this id has this spec for ever."""
    return flat(RunFolder(folder.name, folder).spec().to_mapping())


def _setting(spec: Mapping[str, Any], path: str) -> str:
    """`resized_crop scale.0 0.2`: a step by its transform, other settings by their own names."""
    value = spec[path]
    shown = f"{value:g}" if isinstance(value, float) else str(value)
    parts, kept = path.split("."), list[str]()
    for at, part in enumerate(parts):
        if part.isdecimal() and at and parts[at - 1] == "steps":
            kept.append(str(spec.get(".".join([*parts[: at + 1], "transform"]), "step")))
        elif not part.isdecimal() and part not in _SILENT:
            kept.append(part)
    return " ".join([*kept, shown]).replace("_", " ")


def _queued(run: RunRow) -> str:
    told = run.get("queued_at") or run.get("created_at") or run.get("finished_at")
    try:
        return f"queued {datetime.fromisoformat(str(told)).astimezone():%d %b %Y %H:%M:%S}"
    except ValueError:
        return "queued earlier"


def _own(*, whole: bool = False) -> Mapping[str, str]:
    """Compositions by run of the registry; when that has changed, all are read (`whole`) or what is new."""
    path, stamp = registry.path(), registry.stamp()
    kept = _known.get(path)
    if kept is None or kept.stamp != stamp or (whole and not kept.whole):
        kept = _known[path] = _read(stamp, None if whole else kept)
    return kept.names


def _read(stamp: registry.Stamp, kept: _Known | None) -> _Known:
    """What is not kept yet; a run that was made again, or whose spec was mended, was made at another time."""
    made = {str(row["id"]): str(row["created_at"]) for row in registry.query("SELECT id, created_at FROM runs")}
    names = {} if kept is None else {run: kept.names[run] for run, at in made.items() if kept.made.get(run) == at}
    new = json.dumps([run for run in made if run not in names])
    texts = registry.query("SELECT id, spec FROM runs WHERE id IN (SELECT value FROM json_each(?))", [new])
    names |= {str(row["id"]): names_in(str(row["spec"])) for row in texts}
    return _Known(stamp, made, names, whole=kept is None)


def _of_folder(run_id: str) -> str:
    """By the folder of a run that the registry does not know: a demo run, or one that was just copied in."""
    try:
        return names_in((RunFolder(run_id).path / "spec.yaml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SSRLError):
        return ""


def with_names(rows: Sequence[RunRow]) -> list[RunRow]:
    """The same rows with `compositions`, the names of the compositions of their terms; "" where none is known."""
    known = all_compositions()
    return [row | {"compositions": known.get(row["id"]) or compositions_of(row["id"])} for row in rows]


_SEARCHED = (
    *("id", "name", "dataset", "method", "backbone"),
    *("values", "sweep_id", "reason", "waits_for", "tags", "compositions"),
)


def shown_state(row: RunRow) -> str:
    """The state as people see it: one that starts runs, one without a sign of life is lost."""
    if row.get("lost"):
        return "lost"
    return "running" if row["state"] == "submitted" else str(row["state"])


def chosen(rows: Sequence[RunRow], text: str = "", states: Collection[str] = ()) -> list[RunRow]:
    """Runs in one of these states (none named: in any) that hold every word of a text, whatever its case.

    Args:
        rows: of `registry.list_runs`; `values` may say what makes a run different from its siblings in a sweep.
        text: words are sought in id, names, values, sweep, compositions, tags and reasons; `seed:5` is that seed.
        states: as of `shown_state`.
    """
    words = text.casefold().split()
    kept = [row for row in rows if shown_state(row) in states] if states else list(rows)
    return [row for row in with_names(kept) if _holds(row, words)] if words else kept


def _holds(row: RunRow, words: Sequence[str]) -> bool:
    text = " ".join(str(found) for name in _SEARCHED if (found := row.get(name))).casefold()
    seed = f"seed:{row.get('seed')}"
    return all(word == seed if word.startswith("seed:") else word in text for word in words)


def find(text: str) -> str:
    """The run that an id, or the beginning of one, means.

    Raises:
        SpecError: none or several; names them.
    """
    ids = [row["id"] for row in registry.list_runs()]
    fitting = [text] if text in ids else [run_id for run_id in ids if text and run_id.startswith(text)]
    if len(fitting) == 1:
        return str(fitting[0])
    near = fitting or ids
    words = f"It may be: {', '.join(near[:6])}." if near else "There are no runs yet; `train SPEC.yaml` makes one."
    rule = "the beginning of one run's id" if fitting else "a run of this store"
    raise SpecError.at("Run", "id", rule, text, words)


def spec_of(run: RunFolder) -> RunSpec:
    """The spec of a run, also of one that waits since a version that wrote no folder before the run's turn.

    Raises:
        SpecError: no such run, or the spec cannot be read.
    """
    return run.spec() if run.exists else spec_of_text(str(registry.require(run.id)["spec"]))
