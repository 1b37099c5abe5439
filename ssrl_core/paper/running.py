"""Listing, running and comparing items; runs go through the queue and are never made twice."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ssrl_core import stores
from ssrl_core.datasets.progress import Report
from ssrl_core.errors import SpecError, SSRLError, Stopped
from ssrl_core.paper import solved, words
from ssrl_core.paper.authors import READ, base_of, is_authors
from ssrl_core.paper.cost import NOT_HERE, check, cost
from ssrl_core.paper.evidence import Evidence, Shipped, all_processors, make_measurement
from ssrl_core.paper.item import EVERY_SCALE, NOT_RUN, SCALES, Item, Outcome, Row, Scale, overall
from ssrl_core.paper.items import ITEMS


def item(name: str) -> Item:
    """An item by its id.

    Raises:
        SpecError: there is none.
    """
    if name in ITEMS:
        return ITEMS[name]
    raise SpecError.at("Paper", "id", f"one of {', '.join(ITEMS)}", name, "See `paper list`.")


def evidence(name: str, scale: Scale) -> Evidence:
    """What there is of an item at a scale.

    Raises:
        SpecError: no such item or scale, or none of this item.
    """
    chosen = item(name)
    _check_scale(name, scale)
    if not chosen.plans:
        raise SpecError(
            f"Paper {name}: it shows example images and measures nothing, so there is nothing to run. See such images "
            "on the Data page, or with `data describe simulated-cells`.",
            where=f"Paper {name}",
            field="id",
            value=name,
            remedy="Choose another item: `paper list`.",
        )
    if is_authors(scale) and scale not in chosen.plans and base_of(scale) in chosen.plans:
        raise SpecError.at(
            f"Paper {name}",
            "reading",
            f"paper, or one of {', '.join(READ)}: the authors' earlier code is of digits and cells",
            "authors",
            "Leave --reading out.",
        )
    if base_of(scale) == "instant" and "instant" not in chosen.plans:
        raise SpecError(f"Paper {name}: {chosen.unsolved}", where=f"Paper {name}", field="scale", value=scale)
    if scale not in chosen.plans:
        raise SpecError.at(f"Paper {name}", "scale", f"one of {', '.join(chosen.plans)}", scale, "Use the other one.")
    return Evidence(chosen.plans[scale], base_of(scale))


def listing() -> list[dict[str, Any]]:
    """One row an item: id, title, runs and gpu_hours of the full experiment, state of both scales (contracts C11)."""
    rows = []
    for name, chosen in ITEMS.items():
        scales = {scale: _about(Evidence(chosen.plans[scale], scale)) for scale in SCALES if scale in chosen.plans}
        full: dict[str, Any] = scales.get("full", {"runs": 0, "gpu_hours": 0.0, "state": "nothing to run"})
        head = {"id": name, "title": chosen.title, "runs": full["runs"], "gpu_hours": full["gpu_hours"]}
        rows.append({**head, "state": full["state"], "scales": scales})
    return rows


def run(name: str, scale: Scale, *, start: bool = True, report: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Queue every run of an item that is not there yet and whose images are here or can be had, and make its
    measurements.

    Returns:
        {id, scale, sweeps: [{id, runs, created, existing}], measures: [names], left_out: [texts]}.

    Raises:
        SpecError: all images are missing; says how to obtain them.
    """
    found = evidence(name, scale)
    if found.is_solved:
        return solve([name], scale=scale, report=report)
    found, _ = possible(found, name)
    asked = queue(found, start=start)
    if report and asked and found.plan.measures:  # should a measurement fail, one knows that these were queued
        new = sum(sweep["created"] for sweep in asked)
        report(f"queued: {sum(len(sweep['runs']) for sweep in asked)} runs, {new} new")
    return measure(name, scale, report=report) | {"sweeps": asked}


EVERY = "all"
"""In the place of an item: every item of the scale `instant`."""


def solve(
    names: Sequence[str],
    *,
    scale: Scale = "instant",
    report: Callable[[str], None] | None = None,
    share: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    """Solve the scale `instant` of some items in this process: what is solved already stays, what several items or
    compositions need is worked out once, and what lacks its images or weights is left out and told.

    Args:
        scale: `instant`, or `instant-authors`.
        report: told in words how far it is. share: told the share done, 0..1; what it raises ends the work.

    Returns:
        {id, scale, solved, existing, seconds (of the processor), measures: [names], left_out: [texts], sweeps: []}.

    Raises:
        SpecError: one item was asked for and nothing of it can be had.
    """
    asked_for = {name: _without_training(name, scale, alone=len(names) == 1) for name in names}
    found = {name: evidence(name, at) for name, at in asked_for.items() if at}
    measures = {label: given for one in found.values() for label, given in one.plan.measures.items()}
    told = _Told(len(measures), report, share)
    left_out = [text for name, one in found.items() for text in _lacking(name, one, told.making)]
    asked = [task for one in found.values() for spec in one.specs.values() for task in solved.tasks(spec)]
    if not asked and not measures:
        raise SpecError(" ".join(left_out) or "Paper: there is nothing to solve.", where="Paper", field="image set")
    done = solved.solve_all(asked, told.solving)
    made, failed = _measure_all(measures, done["solved"], report, share)
    left_out += failed
    one = names[0] if len(names) == 1 else EVERY
    return {"id": one, "scale": scale, **done, "measures": made, "left_out": left_out, "sweeps": []}


def _without_training(name: str, scale: Scale, *, alone: bool) -> Scale | None:
    """The scale of an item that needs no training: the one asked for, or beside `instant` a rehearsal that only
    measures; None: it has none.

    Args:
        alone: it is the only item that was asked for, so that what lacks is told.
    """
    plans = item(name).plans
    if scale in plans or alone:
        return scale
    return "small" if scale == "instant" and "small" in plans and not plans["small"].sweeps() else None


def _measure_all(
    measures: Mapping[str, tuple[str, Mapping[str, Any]]],
    before: int,
    report: Callable[[str], None] | None,
    share: Callable[[float], None] | None,
) -> tuple[list[str], list[str]]:
    """Make measurements one after another, on all processors.

    Args:
        before: compositions that were solved before them.

    Returns:
        those that are there, and in words what could not be measured, by the reason; weights that were missed once
        are not looked for again.
    """
    made: list[str] = []
    failed: dict[str, list[str]] = {}
    lacking: dict[Any, str] = {}
    with all_processors():
        for number, (label, (kind, parameters)) in enumerate(measures.items(), before):
            network = parameters.get("backbone", parameters.get("features"))
            try:
                if network is not None and network in lacking:
                    failed[lacking[network]].append(label)
                    continue
                make_measurement(kind, parameters, _step(label, number, before + len(measures), report, share))
                made.append(label)
            except Stopped:
                raise
            except SSRLError as error:
                failed.setdefault(error.message, []).append(label)
                lacking |= {network: error.message} if "weights" in error.message else {}
    return made, [f"{', '.join(labels)}: {message}" for message, labels in failed.items()]


class _Told:
    """Says how far solving is, and about how long it will still take."""

    def __init__(
        self, measures: int, report: Callable[[str], None] | None, share: Callable[[float], None] | None
    ) -> None:
        self._measures, self._report, self._share = measures, report, share
        self._started = time.monotonic()
        self._last = -1
        self._making = ""

    def making(self, done: int, total: int, what: str) -> None:
        """What making or fetching an image set tells; it can be stopped there too."""
        if self._share:
            self._share(0.0)
        said = f"{what}: {10 * int(10 * done / total)} %" if total else what
        if self._report and said != self._making:
            self._making = said
            self._report(said)
        self._started = time.monotonic()

    def solving(self, done: int, total: int, share: float) -> None:
        """As `solved.solve_all` tells it."""
        way = (done + share) / max(1, total)
        if self._share:
            self._share(min(1.0, way) * total / (total + self._measures))
        if self._report and done != self._last and done < total:
            self._last = done
            left = (time.monotonic() - self._started) * (1 / way - 1) if done else None
            self._report(f"solving {done + 1} of {total}" + (f", about {words.time(left)} left" if left else ""))


def _lacking(name: str, found: Evidence, report: Report) -> list[str]:
    """What of an item is left out because its images are not here; made ones are made now."""
    from ssrl_core.datasets import store as image_sets

    lacking = []
    for needed in found.plan.needs:
        state = check(needed)
        if state["ready"] or _can_be_fetched(state):
            try:
                image_sets.load(needed, report=report)
                continue
            except Stopped:
                raise
            except SSRLError as error:
                state = state | {"problem": error.message, "how": ""}
        lacking.append(f"{name}: {state['title']} is left out. {state['problem']} {state['how']}".rstrip())
    return lacking


def measure(
    name: str,
    scale: Scale,
    *,
    report: Callable[[str], None] | None = None,
    share: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    """Make the measurements of an item that need no training; as `run` without its sweeps.

    Args:
        report: told how far each is, in words. share: told how far all are, 0..1.

    Returns:
        {id, scale, sweeps: [], measures: [names], left_out: [texts] of what lacks images or weights}.

    Raises:
        SpecError: all images are missing, or nothing could be measured.
    """
    found, lacking = possible(evidence(name, scale), name)
    every = found.plan.measures
    made, left_out = _measure_all(every, 0, report, share)
    if every and not made:
        raise SpecError(" ".join(left_out), where=f"Paper {name}", field="weights")
    return {
        "id": name,
        "scale": scale,
        "sweeps": [],
        "measures": made,
        "left_out": [*(_obtained(state).rstrip() for state in lacking), *left_out],
    }


def _step(
    label: str,
    number: int,
    of: int,
    report: Callable[[str], None] | None,
    share: Callable[[float], None] | None,
) -> Callable[[int, int], None]:
    """Says how far a measurement is: in words, and what share of all work is done with it.

    Args:
        number: how many pieces of work stand before it. of: how many there are in all.
    """

    def told(done: int, total: int) -> None:
        if report:
            report(f"{label} {done}/{total}")
        if share:
            share((number + done / max(1, total)) / of)

    return told


def queue(found: Evidence, *, start: bool = True) -> list[dict[str, Any]]:
    """Queue the sweeps of a plan; those that are there already are not made again."""
    from ssrl_core.runs.queue import sweeps

    _fetch(found)
    return [sweeps.submit(spec, start=start) for spec in found.specs.values()]


def require(found: Evidence, name: str) -> None:
    """Every image set that is needed is here, or can be fetched when it is first named.

    Raises:
        SpecError: some are not; names each with the way to obtain it.
    """
    if lacking := _not_to_be_had([check(needed) for needed in found.plan.needs]):
        how = " ".join(map(_obtained, lacking))
        raise SpecError(
            f"Paper {name}: {' and '.join(row['title'] for row in lacking)} "
            f"{'is' if len(lacking) == 1 else 'are'} needed. Nothing was queued. {how}",
            where=f"Paper {name}",
            field="image set",
            value=", ".join(row["name"] for row in lacking),
            remedy=how,
        )


def possible(found: Evidence, name: str) -> tuple[Evidence, list[dict[str, Any]]]:
    """A plan whose images are here or can be fetched; where some cannot be had, what of it has its images here, and
    the image sets (`cost.check`) without which the rest is left out.

    Raises:
        SpecError: nothing of it has; names each image set that cannot be had with the way to obtain it.
    """
    states = [check(needed) for needed in found.plan.needs]
    if not _not_to_be_had(states):
        return found, []
    here = {row["name"] for row in states if row["ready"]}
    sweeps = {
        key: data for key, data in found.plan.sweeps().items() if found.specs[key].base["dataset"]["name"] in here
    }
    measures = {key: made for key, made in found.plan.measures.items() if made[1]["dataset"] in here}
    if not sweeps and not measures:
        require(found, name)
    plan = replace(found.plan, sweeps=lambda: sweeps, measures=measures, needs=tuple(here))
    return replace(found, plan=plan), [row for row in states if not row["ready"]]


def _not_to_be_had(states: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in states if not row["ready"] and not _can_be_fetched(row)]


def _obtained(state: Mapping[str, Any]) -> str:
    """What an image set lacks and how it is obtained."""
    return f"{state['title']}: {state['problem']} {state['how']}"


def _can_be_fetched(state: Mapping[str, Any]) -> bool:
    """An image set that is not here and that torchvision fetches."""
    return bool(state["fetched"]) and state["problem"] == NOT_HERE


def _fetch(found: Evidence) -> None:
    """Every image set, made or fetched: one that cannot be is known before the first run is queued."""
    from ssrl_core.datasets import store as image_sets

    for needed in found.plan.needs:
        try:
            image_sets.load(needed)
        except SSRLError as error:
            raise SpecError(
                f"Nothing was queued. {error.message}", where="Paper", field="image set", value=needed
            ) from error


def compare(name: str, scale: Scale = "small") -> dict[str, Any]:
    """Published beside ours, the verdict of each claim, and what is missing."""
    chosen = item(name)
    _check_scale(name, scale)
    if scale not in chosen.plans:
        return _document(chosen, scale, Outcome(chosen.published()), {}, [])
    found = evidence(name, scale)
    outcome = chosen.compare(found)
    missing = [check(needed) for needed in found.plan.needs]
    return _document(chosen, scale, outcome, found.progress(), [row for row in missing if not row["ready"]])


def shipped(name: str, scale: Scale = "small") -> dict[str, Any] | None:
    """The results that ship (`docs/results`), as `compare` says them, with `made_with` in words; None: none ship."""
    chosen = item(name)
    path = stores.shipped_root() / "docs" / "results" / f"{chosen.results_of or name}-{scale}.json"
    if not path.is_file():
        return None
    found = stores.read_json(path)
    return found | {"id": name, "title": chosen.title, "claim": chosen.claim, "made_with": _made_with(found)}


def shown(name: str, scale: Scale) -> dict[str, Any]:
    """`compare` of one's own results; where none `began` the results that ship, with `made_with`."""
    found = compare(name, scale)
    ships = None if began(found) else shipped(name, scale)
    return found if ships is None else ships | {key: found[key] for key in ("progress", "missing")}


def began(found: Mapping[str, Any]) -> bool:
    """Whether a comparison has results: what ships, or a run that is done where there are runs. What needs no training
    is alike at several scales: made for one of them, it is not yet a result of the others."""
    if "made_with" in found:
        return True
    done = not found["progress"] or totals(found["progress"]).get("done", 0) > 0
    return bool(found["verdict"] != NOT_RUN and done)


def shipped_evidence(name: str, scale: Scale) -> Evidence | None:
    """What ships of an item's solved sweeps, for charts as of one's own; None: nothing ships."""
    found = shipped(name, scale)
    if found is None or "tables" not in found:
        return None
    measured = {label: one["data"] for label, one in found["measures"].items() if one["data"]}
    return Shipped(item(name).plans[scale], base_of(scale), found["tables"], measured)


def _made_with(found: dict[str, Any]) -> str:
    """`Measured on cpu with Viewloom 0.1.0 (10 runs, 0.4 hours in all), not on this machine.`, and of which image sets
    those of the same name here are others."""
    return " ".join([_measured_on(found), *_other_images(found)])


def _other_images(found: dict[str, Any]) -> list[str]:
    """Image sets that are here under the name but with other pixels or splits than those that were measured."""
    from ssrl_core.datasets import store as image_sets

    then = {name: key for name, key in found.get("imagesets", {}).items() if key and image_sets.is_ready(name)}
    here = {name: image_sets.load(name).fingerprint for name in then}
    return [
        f"The images of {name} were others than those here (fingerprint {key[:8]}, here {here[name][:8]})."
        for name, key in then.items()
        if here[name] != key
    ]


def _measured_on(found: dict[str, Any]) -> str:
    """With what, and in how long."""
    runs = found.get("runs") or []
    seconds = sum(value or 0.0 for run in runs for value in run["seconds"].values())
    on = ", ".join(sorted({str(run["device"]) for run in runs})) or "cpu"
    if runs and all("solve" in run["seconds"] for run in runs):
        many = f"{len(runs):,} compositions and seeds in {words.time(seconds)} of a processor"
        return f"Solved on {on} with Viewloom {found.get('viewloom')} ({many}), not on this machine."
    many = f" ({len(runs):,} runs, {seconds / 3600:.1f} hours in all)" if runs else ""
    return f"Measured on {on} with Viewloom {found.get('viewloom')}{many}, not on this machine."


def _check_scale(name: str, scale: str) -> None:
    if scale not in EVERY_SCALE:
        raise SpecError.at(f"Paper {name}", "scale", "instant, small or full", scale)


def _document(
    chosen: Item, scale: str, outcome: Outcome, progress: dict[str, Any], missing: list[dict[str, Any]]
) -> dict[str, Any]:
    plan = chosen.plans.get(scale)  # type: ignore[call-overload]
    return {
        "id": chosen.id,
        "scale": scale,
        "title": chosen.title,
        "claim": chosen.claim,
        "verdict": overall(outcome.contrasts),
        "contrasts": [c.as_dict() for c in outcome.contrasts],
        "rows": [vars(row) for row in _merged(chosen.published(), outcome.rows)],
        "says": plan.says if plan else "",
        "note": outcome.note,
        "conflicts": chosen.conflicts,
        "unsolved": chosen.unsolved,
        "progress": progress,
        "missing": missing,
    }


def _merged(published: Any, ours: Any) -> list[Row]:
    """Published rows with ours laid in, then ours that were not published."""
    own = {(row.row, row.column): row for row in ours}
    rows = []
    for row in published:
        mine = own.pop((row.row, row.column), None)
        rows.append(Row(row.row, row.column, row.published, mine.ours, mine.sd, mine.n) if mine else row)
    return [*rows, *own.values()]


def totals(progress: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Runs by state, of all sweeps together."""
    return dict(sum((Counter(states) for states in progress.values()), Counter[str]()))


def _about(found: Evidence) -> dict[str, Any]:
    price = cost(found).as_dict()
    counts = totals(found.progress())
    unmade = [name for name in found.plan.measures if found.measure(name) is None]
    return price | {"state": _state(counts, unmade), "progress": counts}


def _state(counts: dict[str, int], unmade: list[str]) -> str:
    total, done = sum(counts.values()), counts.get("done", 0)
    if counts.get("not queued", 0) == total and (unmade or total):
        return "not run"
    if done == total and not unmade:
        return "done"
    return f"{done} of {total} runs done" + (", measurements to do" if unmade else "")
