"""What is there of an item at one scale: results of its sweeps, and measurements that need no training."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pandas as pd

from ssrl_core.errors import SpecError
from ssrl_core.paper import measures
from ssrl_core.paper.item import Plan, Scale
from ssrl_core.runs.queue import registry, sweeps, tables
from ssrl_core.specs.run import RunSpec
from ssrl_core.specs.sweep import SweepSpec


@dataclass(frozen=True)
class Evidence:
    """The evidence of one item at one scale; everything is empty until it is run."""

    plan: Plan
    scale: Scale

    @cached_property
    def specs(self) -> dict[str, SweepSpec]:
        """name -> sweep."""
        return {name: sweep_spec(name, data) for name, data in self.plan.sweeps().items()}

    def progress(self) -> dict[str, dict[str, int]]:
        """name -> runs by state; `not queued` for a sweep that this store does not have."""
        found = {}
        for name, spec in self.specs.items():
            try:
                found[name] = tables.sweep_progress(sweeps.id_of(spec))
            except SpecError:
                found[name] = {"not queued": run_count(spec)}
        return found

    def sweep_ids(self) -> dict[str, str]:
        """name -> id of the sweeps that this store has."""
        from ssrl_core.runs.queue import sweep_files

        found = {name: sweeps.id_of(spec) for name, spec in self.specs.items()}
        return {name: sweep for name, sweep in found.items() if sweep_files.path_of(sweep).is_file()}

    def runs(self) -> list[dict[str, Any]]:
        """The registry's rows of the runs of all sweeps that are here, each once; one that was deleted is `gone`."""
        known = {row["id"]: row for row in registry.list_runs(demo=False)}
        ids = [member["id"] for sweep in self.sweep_ids().values() for member in sweeps.members(sweep)]
        return [known.get(run, {"id": run, "state": "gone"}) for run in dict.fromkeys(ids)]

    def results(self, name: str) -> pd.DataFrame:
        """`runs.results_table` of a sweep, with a column `label`: the names of the values that vary."""
        return self._table(name, tables.results_table)

    def classes(self, name: str) -> pd.DataFrame:
        """`runs.classes_table` of a sweep."""
        return self._table(name, tables.classes_table)

    def measure(self, name: str) -> dict[str, Any] | None:
        """A measurement that needs no training; None until it is made."""
        kind, parameters = self.plan.measures[name]
        return measures.found(kind, parameters)

    def _table(self, name: str, make: Any) -> pd.DataFrame:
        if name not in self.specs:
            return pd.DataFrame()
        try:
            table: pd.DataFrame = make(sweeps.id_of(self.specs[name]))
        except SpecError:
            return pd.DataFrame()
        if table.empty:
            return table
        varied = [c for c in map(str, table.columns) if c.startswith("vary.")]
        labels = [" · ".join(_named(row[c]) for c in varied) for _, row in table[varied].iterrows()]
        return table.assign(label=labels)


def sweep_spec(name: str, data: Any) -> SweepSpec:
    """A sweep from plain data, under its name."""
    return SweepSpec.from_mapping({**data, "name": name}, f"Sweep {name}")


def run_count(spec: SweepSpec) -> int:
    """How many runs a grid has, without making each."""
    return len(spec.seeds) * math.prod(len(values) for values in spec.vary.values())


def first_run(spec: SweepSpec) -> RunSpec:
    """The first run of a grid, without making the others."""
    vary = {path: values[:1] for path, values in spec.vary.items()}
    return replace(spec, seeds=spec.seeds[:1], vary=vary).runs()[0].spec


def column(table: pd.DataFrame, label: str, name: str) -> list[float]:
    """The numbers of one column of `results`, one a seed, of the rows with a label."""
    if table.empty:
        return []
    return [float(v) for v in table.loc[table["label"] == label, name].dropna()]


def _named(value: Any) -> str:
    """A value that varies, as one reads it: a composition by its name, a list of terms by theirs."""
    if isinstance(value, dict):
        inner = value.get("composition", value)
        return str(inner.get("name", inner)) if isinstance(inner, dict) else str(inner)
    if isinstance(value, list):
        return " + ".join(map(_named, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
