"""Table 1: properties of classes against their behaviour under three transformations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssrl_core.analysis import bias
from ssrl_core.analysis.properties import against_behaviour
from ssrl_core.paper import hue_claims
from ssrl_core.paper.evidence import Evidence
from ssrl_core.paper.item import Contrast, Item, Outcome, Plan, Row, plain_claim, rows_of
from ssrl_core.paper.items import figure_1

FAMILIES = {
    "intrinsic dimension": "intrinsic_dimension",
    "texture": "texture_analysis",
    "fourier spectrum": "fourier_transform",
    "feature covariance": "feature_covariance_spectrum",
}
_COLUMNS = {"hue": "hue_intensity", "jitter probability": "color_jitter_probability", "crop size": "crop_size"}
_DIFFER = {
    "hue_intensity": ("intrinsic dimension", "texture"),
    "color_jitter_probability": ("intrinsic dimension", "texture"),
    "crop_size": ("fourier spectrum",),
}
"""Parameter -> the properties that go with the behaviour under it, as the paper's text says."""


def _full() -> dict[str, Mapping[str, Any]]:
    return figure_1.sweeps_of("cifar100", tuple(_COLUMNS))


def _instant() -> dict[str, Mapping[str, Any]]:
    return figure_1.solved_sweeps(tuple(_COLUMNS), ("hundred",))


def _features(dataset: str, backbone: str) -> dict[str, tuple[str, Mapping[str, Any]]]:
    return {f"properties by {backbone}": ("properties", {"dataset": dataset, "features": backbone})}


def compare(evidence: Evidence) -> Outcome:
    """Statistics of each property, one observation a class, its behaviour shared by most methods."""
    from ssrl_core.runs.evaluation import descriptors as properties

    rows, contrasts, note = [], [], ""
    for name in evidence.specs:
        table = hue_claims.linear(evidence.classes(name))
        if table.empty:
            continue
        found = _measured(str(table["dataset"].iloc[0]), properties)
        if found is None:
            note = "The properties of these classes are not measured yet: Classes, Properties, or “paper run table-1”."
            continue
        tests = against_behaviour(found, bias.behaviours(table, hue_claims.parameter(table)))
        column = _COLUMNS.get(next((k for k in _COLUMNS if name.startswith(k)), "hue"), "hue_intensity")
        contrasts.append(_claim(tests, column))
        for family, label in FAMILIES.items():
            mine = tests[tests["property"] == family]
            if len(mine) and mine["statistic"].iloc[0] == mine["statistic"].iloc[0]:
                rows.append(Row(label, column, None, float(mine["statistic"].iloc[0]), None, int(mine["n"].iloc[0])))
    return Outcome(rows, contrasts or [plain_claim(_said("hue_intensity"), None)], note)


def _measured(dataset: str, properties: Any) -> Any:
    for features in ("resnet18", "vgg16", None):
        found = properties.measured(dataset, features)
        if found is not None:
            return found
    return None


def _said(column: str) -> str:
    families = _DIFFER[column]
    named = " and ".join(families) if len(families) > 1 else f"the {families[0].capitalize()}"
    return f"{named} {'differ' if len(families) > 1 else 'differs'} between the behaviour groups"


def _claim(tests: Any, column: str) -> Contrast:
    p = {family: tests.loc[tests["property"] == family, "p"] for family in _DIFFER[column]}
    known = {family: float(v.iloc[0]) for family, v in p.items() if len(v) and v.iloc[0] == v.iloc[0]}
    told = ", ".join(f"{family} p = {value:.3f}" for family, value in known.items()) or _why(tests)
    n = int(tests["n"].max()) if len(tests) else 0
    holds = len(known) == len(p) and max(known.values()) < 0.05
    return plain_claim(f"{column}: {_said(column)}", holds, n, reason=told)


def _why(tests: Any) -> str:
    """Why no test could be made."""
    reasons = list(tests["reason"].dropna()) if len(tests) else []
    return ": ".join(["no test can be made", *reasons[:1]])


ITEM = Item(
    "table-1",
    "Properties of classes against their behaviour",
    "Intrinsic dimension and texture go with the response to hue and jitter, the Fourier spectrum with that to "
    "crops; the "
    "covariance of features with none.",
    {
        "full": Plan(
            _full,
            _features("cifar100", "resnet18"),
            needs=("cifar100",),
            says="Features of an ImageNet "
            "ResNet18 (the paper names no size); one "
            "observation a class. The paper pools methods and names neither estimators nor the statistic.",
        ),
        "instant": Plan(
            _instant,
            _features("hundred", "vgg16"),
            needs=("hundred",),
            says=figure_1.SOLVED_SAYS + " Features of the properties by an ImageNet VGG16.",
        ),
        "small": Plan(
            figure_1.small,
            _features("cifar10", "vgg16"),
            needs=("cifar10",),
            says=figure_1.SMALL_SAYS + " Ten classes in three groups can "
            "tell very little; features by an ImageNet VGG16.",
        ),
    },
    compare,
    lambda: rows_of("table_1_class_properties", tuple(FAMILIES.values())),
    "The text says a statistic well above 1 is a notable difference, while its own 1.27 is called minimal.",
)
