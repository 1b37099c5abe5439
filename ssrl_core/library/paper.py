"""The charts of an item, drawn like the paper's: for the Paper page and the printed report."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd

from ssrl_core.analysis import bias
from ssrl_core.paper import bases, hue_claims, report, running, words
from ssrl_core.paper.evidence import Evidence, column
from ssrl_core.paper.items import figure_1, figure_3, figure_4, table_2, table_6

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST_SWEEPS = 12
_AROUND_PX, _ROW_PX, _LEAST_ROWS = 160, 30, 5
_EXPLAINED = {"neighbours": "eta² of the neighbours", "response": "AMI with the response"}
_TITLES = {"neighbours": "Clusters and the number of neighbours", "response": "Clusters and the response"}
_QUANTITY = {"ami": "AMI", "top1": "top-1 of linear evaluation"}


def charts(name: str, evidence: Evidence) -> list[Figure]:
    """The charts of an item; none where there are no results. What a chart says first may stand in `layout.meta`."""
    make = _MAKERS.get(name)
    return [] if make is None else make(evidence)


def _tables(evidence: Evidence, most: int | None = MOST_SWEEPS) -> list[tuple[str, pd.DataFrame]]:
    """Linear evaluation of every sweep with results; what tells it from others, "" where it is the only one."""
    found = [(name, hue_claims.linear(evidence.classes(name))) for name in evidence.specs]
    found = [(f"{words.sweep(name)}. ", table) for name, table in found if not table.empty][:most]
    return found if len(found) > 1 else [("", table) for _, table in found]


def _class_curves(evidence: Evidence) -> list[Figure]:
    """Figure 1: overall accuracy and that of the classes that move most."""
    from ssrl_core.figures.bias import class_curves

    figures = []
    for of, table in _tables(evidence):
        x = hue_claims.parameter(table)
        moved, curves = bias.movers(table, x), bias.curves(table, x)
        title = f"{of}All classes, and those that move most"
        figures.append(class_curves(curves.overall, curves.classes, bias.furthest(moved), title=title))
    return figures


def _ratios(evidence: Evidence) -> list[Figure]:
    """Figure 2: the share of classes with an opposite partner, beside both floors of chance; a row a sweep."""
    from ssrl_core.figures.bias import floor_ratios

    ratios, floors = [], []
    for of, table in _tables(evidence, most=None):
        found = bias.opposition(table, hue_claims.parameter(table)).ratios
        summary = hue_claims.chance(table, found)
        same = {"method": of.removesuffix(". "), "transformation": "", "dataset": ""} if of else {}
        ratios.append(found.assign(**same))
        floors.append(summary.assign(**same))
    if not ratios:
        return []
    drawn = floor_ratios(*map(pd.concat, (ratios, floors)), title="Classes with an opposite partner, beside chance")
    return [drawn.update_layout(height=_AROUND_PX + _ROW_PX * max(_LEAST_ROWS, len(ratios)))]


def _superclasses(evidence: Evidence) -> list[Figure]:
    """Figure 3: each superclass with its own highest value."""
    from ssrl_core.figures.bias import highest_curves

    figures = []
    for of, table in _tables(evidence) if evidence.is_solved else [("", figure_1.first_table(evidence))]:
        if table.empty:
            continue
        x = hue_claims.parameter(table)
        grouped = bias.by_superclass(table, figure_3.groups_of(table))
        highest = bias.own_highest(grouped, x).highest
        title = f"{of}Each superclass with its own highest value"
        figures.append(highest_curves(bias.curves(grouped, x).classes, highest, title=title))
    return figures


def _shared(evidence: Evidence) -> list[Figure]:
    """Table 6: classes that several methods share."""
    from ssrl_core.figures.bias import shared_bars

    figures = []
    for parameter, table in table_6.by_parameter(evidence).items():
        if table["method"].nunique() > 1:
            shared = bias.shared_classes(bias.opposition(table, hue_claims.parameter(table)).classes)
            figures.append(shared_bars(shared).update_layout(meta=words.row_name(parameter)))
    return figures


def _spread(evidence: Evidence) -> list[Figure]:
    """Table 5: every method over the sweep."""
    from ssrl_core.figures.bias import method_spread

    tables = [table for _, table in _tables(evidence)]
    if not tables:
        return []
    table = pd.concat(tables, ignore_index=True)
    return [method_spread(bias.method_summary(table, hue_claims.parameter(table)))]


def _seeds(*quantities: str) -> Callable[[Evidence], list[Figure]]:
    """A chart a sweep and quantity: every seed of every composition."""

    def make(evidence: Evidence) -> list[Figure]:
        with_results = [name for name in evidence.specs if not _values(evidence.results(name), quantities[0]).empty]
        figures = [
            _one(evidence.results(name), quantity, words.sweep(name) if len(with_results) > 1 else "", {})
            for name in with_results[:MOST_SWEEPS]
            for quantity in quantities
        ]
        return _on_one_scale(figures) if len(quantities) == 1 else figures

    return make


def _cells(item: str) -> Callable[[Evidence], list[Figure]]:
    """Tables 3 and 4: a chart a set of cells, with the published number of the compound that acts alike."""

    def make(evidence: Evidence) -> list[Figure]:
        published = {(row.row, row.column): row.published for row in running.item(item).published()}
        tables = {name: evidence.results(name) for name in evidence.specs if not name.endswith(bases.TESTED)}
        with_results = {name: table for name, table in tables.items() if not _values(table, "ami").empty}
        figures = []
        for name, table in list(with_results.items())[:MOST_SWEEPS]:
            column = f"{name.removeprefix(f'{item} instant ')}, AMI with treatment"
            known = {label: report.nearest(item, (label, column), published) for label in map(str, table["label"])}
            rings = {words.row_name(label): value for label, value in known.items() if value is not None}
            figures.append(_one(table, "ami", words.sweep(name) if len(with_results) > 1 else "", rings))
        return _on_one_scale(figures)

    return make


def _explained(*asked: str) -> Callable[[Evidence], list[Figure]]:
    """Figures 6 to 8: what the clusters follow, every seed of every composition."""

    def make(evidence: Evidence) -> list[Figure]:
        from ssrl_core.figures.screens import replicates

        figures = []
        tables = [(name, table) for name in evidence.specs if not (table := evidence.results(name)).empty]
        for name, table in tables:
            k = 2 if "cytochalasin" in name else 4
            for what in (what for what in asked if _knows(table, k, what)):
                labels = list(dict.fromkeys(map(str, table["label"])))
                values = {words.row_name(label): figure_4.explained(table, label, k, what) for label in labels}
                if not any(values.values()):  # none of its runs is done
                    continue
                title = f"{words.sweep(name)}. " if len(tables) > 1 else ""
                drawn = replicates(values, x=f"{_EXPLAINED[what]}, {k} clusters")
                figures.append(drawn.update_layout(meta=f"{title}{_TITLES[what]}"))
        return _on_one_scale(figures)

    return make


def _knows(table: pd.DataFrame, k: int, truth: str) -> bool:
    """Whether the images of a sweep have the column, which cells of BBBC021 have not."""
    from ssrl_core.datasets import store as image_sets

    name = str(table["dataset"].iloc[0])
    return f"{k} {truth}" in table or (name in image_sets.names() and truth in image_sets.load(name).table)


def _on_one_scale(figures: list[Figure]) -> list[Figure]:
    """The same range of numbers on all of them, so that they can be compared."""
    if len(figures) < 2:
        return figures
    ends = [end for figure in figures for end in _ends(figure)]
    room = 0.04 * (max(ends) - min(ends) or 1.0)
    return [figure.update_xaxes(range=[min(ends) - room, max(ends) + room]) for figure in figures]


def _ends(figure: Figure) -> list[float]:
    """The numbers of a chart of seeds, and the ends of its intervals."""
    found = []
    for trace in figure.data:
        half = list(trace.error_x.array) if trace.error_x.array is not None else [0.0] * len(trace.x)
        found += [x + sign * h for x, h in zip(trace.x, half, strict=True) for sign in (-1, 1)]
    return found


def _values(table: pd.DataFrame, quantity: str) -> pd.Series:
    return pd.Series(dtype=float) if table.empty else table[quantity].dropna()


def _one(table: pd.DataFrame, quantity: str, of: str, published: dict[str, float]) -> Figure:
    from ssrl_core.figures.screens import replicates

    labels = list(dict.fromkeys(map(str, table["label"])))
    values = {words.row_name(label): column(table, label, quantity) for label in labels}
    said, share = _QUANTITY[quantity], quantity == "top1"
    means = {name: sum(found) / len(found) for name, found in values.items() if found}
    highest = max(means, key=means.__getitem__)
    title = of or f"Highest mean {said}: {highest}, {words.number(means[highest], '%' if share else '')}"
    return replicates(values, x=said, published=published, percent=share).update_layout(meta=title)


def _mnist(evidence: Evidence) -> list[Figure]:
    """Table 2: AMI and top-1 of the five sets, with the published numbers."""
    tables = [table for name in evidence.specs if not (table := evidence.results(name)).empty]
    if not tables:
        return []
    table = pd.concat(tables, ignore_index=True)
    order = {label: place for place, label in enumerate(table_2.SETS)}
    table = table.sort_values("label", key=lambda labels: labels.map(order), kind="stable")
    rows = {(row.row, row.column): row.published for row in running.item("table-2").published()}
    figures = []
    for quantity in ("ami", "top1"):
        if _values(table, quantity).empty:
            continue
        known = {words.row_name(label): rows.get((name, quantity)) for label, name in table_2.SETS.items()}
        published = {name: value for name, value in known.items() if value is not None}
        figures.append(_one(table, quantity, "", published))
    return figures


def _doses(evidence: Evidence) -> list[Figure]:
    """Figures 9 and 10: AMI of each network against the concentration."""
    from ssrl_core.figures.screens import network_doses

    made = {name: found for name in evidence.plan.measures if (found := evidence.measure(name)) is not None}
    rows: list[dict[str, Any]] = [
        {"network": words.row_name(name.split()[0]), "dose": float(name.split()[1]), "ami": found["mean"]}
        | {"shuffled": found["shuffled"]["mean"]}
        for name, found in made.items()
    ]
    return [network_doses(pd.DataFrame(rows))] if rows else []


_MAKERS: dict[str, Callable[[Evidence], list[Figure]]] = {
    "table-2": _mnist,
    "table-3": _cells("table-3"),
    "table-4": _cells("table-4"),
    "table-5": _spread,
    "table-6": _shared,
    "table-8": _seeds("top1"),
    "figure-1": _class_curves,
    "figure-2": _ratios,
    "figure-3": _superclasses,
    "figure-4": _seeds("ami"),
    "figure-6": _explained("neighbours", "response"),
    "figure-7": _explained("response"),
    "figure-8": lambda evidence: _seeds("ami")(evidence) + _explained("response")(evidence),
    "figure-9": _doses,
    "figure-10": _doses,
    "figure-11": _class_curves,
    "figure-12": _seeds("ami"),
}
