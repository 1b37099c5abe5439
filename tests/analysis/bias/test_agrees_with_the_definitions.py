"""Every statistic of a table with planted behaviour against the slow twin that only knows the definitions."""

import numpy as np
import pandas as pd
import pytest

from ssrl_core.analysis.bias import statistics
from tests.analysis.bias import by_definition as slow
from tests.analysis.bias.tables import HUE, classes_table

METHODS = ("barlow_twins", "byol", "simclr")
PROBES = ("linear", "finetune-0.1")
GROUPS = {name: f"group {i % 3}" for i, name in enumerate("abcdefgh")}


def planted() -> pd.DataFrame:
    """Two classes rise and two fall everywhere, two more under one or two methods, one has a hump, one does nothing."""
    parts = []
    for m, method in enumerate(METHODS):
        for k, probe in enumerate(PROBES):
            size = 0.15 / (1 + 2 * k)
            curves = {
                "a": lambda x, s=size: 0.5 + s * x,
                "b": lambda x, s=size: 0.8 - s * x,
                "c": lambda x, s=size: 0.6 + s * x / 2,
                "d": lambda x, s=size: 0.7 - s * x / 2,
                "e": lambda x, s=size, m=m: 0.4 + (s * x if m < 1 else 0),
                "f": lambda x, s=size, m=m: 0.9 - (s * x / 2 if m < 2 else 0),
                "g": lambda x, m=m: 0.6 - 0.3 * (x - 0.3 - 0.1 * m) ** 2,
                "h": lambda x: 0.5,
            }
            parts.append(
                classes_table(curves, seeds=4, noise=0.015, n=200, method=method, probe=probe, seed=10 * m + k)
            )
    table = pd.concat(parts, ignore_index=True).assign(superclass=lambda t: t["class"].map(GROUPS))
    return table.sample(frac=1, random_state=0)


TABLE = planted()


def of(found: pd.DataFrame, **setting: str) -> pd.DataFrame:
    return found[np.logical_and.reduce([found[name] == value for name, value in setting.items()])]


@pytest.fixture(scope="module", params=["means", "runs"])
def both(request):
    from ssrl_core.analysis.bias.correlation import Rule

    settings = {(m, p): TABLE[(TABLE["method"] == m) & (TABLE["probe"] == p)] for m in METHODS for p in PROBES}
    twin = {key: slow.pairs(rows, HUE, request.param) for key, rows in settings.items()}
    return request.param, statistics(TABLE, HUE, rule=Rule(points=request.param), draws=0), settings, twin


def test_every_pair_and_the_ratio_of_classes_with_an_opposite_partner(both):
    _, found, settings, twin = both
    for method, probe in settings:
        mine = of(found["pairs"], method=method, probe=probe)
        columns = list(twin[method, probe].columns)
        pd.testing.assert_frame_equal(
            mine[columns].reset_index(drop=True), twin[method, probe], rtol=1e-9, atol=1e-12, check_dtype=False
        )
        (row,) = of(found["ratios"], method=method, probe=probe).to_dict("records")
        for flag, ratio in (
            ("opposite", "ratio"),
            ("opposite_corrected", "ratio_corrected"),
            ("opposite_bh", "ratio_bh"),
        ):
            count = len(slow.with_partner(twin[method, probe], flag))
            assert (row[flag], row[ratio]) == (count, count / 8)


def test_behaviours_and_the_match_of_two_probes(both):
    kind, found, settings, twin = both
    called = {}
    for (method, probe), rows in settings.items():
        mine = of(found["behaviours"], method=method, probe=probe).set_index("class")
        theirs = slow.behaviours(rows, HUE, kind)
        called[method, probe] = {name: behaviour for name, (_, _, behaviour) in theirs.items()}
        assert mine["behaviour"].to_dict() == called[method, probe]
        np.testing.assert_allclose(mine[["slope", "p"]], [theirs[name][:2] for name in mine.index], rtol=1e-9)
    for row in found["probes"].to_dict("records"):
        first, second = (called[row["method"], probe] for probe in PROBES)
        assert row["match"] == np.mean([first[name] == second[name] for name in first])
        partners = [slow.with_partner(twin[row["method"], probe]) for probe in PROBES]
        counts = (row["opposite_first"], row["opposite_second"], row["opposite_both"])
        assert counts == (*map(len, partners), len(partners[0] & partners[1]))


def test_classes_shared_by_several_methods(both):
    _, found, _, twin = both
    for probe in PROBES:
        partners = [slow.with_partner(twin[method, probe]) for method in METHODS]
        for row in of(found["shared"], probe=probe).to_dict("records"):
            assert row["names"] == slow.shared(partners, row["at_least"])


def test_mean_and_sd_of_every_method_over_the_sweep(both):
    _, found, settings, _ = both
    for (method, probe), rows in settings.items():
        (row,) = of(found["methods"], method=method, probe=probe).to_dict("records")
        means = slow.overall(rows, HUE)
        assert (row["mean"], row["sd"]) == pytest.approx((means.mean(), means.std()), rel=1e-9)


def test_superclasses_have_their_own_highest_value_and_the_others_pay(both):
    _, found, settings, _ = both
    for (method, probe), rows in settings.items():
        means = slow.points(rows.groupby(["superclass", HUE, "seed"], as_index=False)["accuracy"].mean().rename(
            columns={"superclass": "class"}), HUE, "means")  # fmt: skip
        reference = slow.overall(rows, HUE).idxmax()
        prices = of(found["prices"], method=method, probe=probe).set_index(["for", "class"])
        for row in of(found["superclasses"], method=method, probe=probe).to_dict("records"):
            highest = means.loc[row["for"]].idxmax()
            assert row["x"] == pytest.approx(highest, rel=1e-9)
            for other, curve in means.iterrows():
                price = prices.loc[(row["for"], other)]
                assert price["change"] == pytest.approx(curve[highest] - curve[reference], abs=1e-9)
                assert price["from_own_highest"] == pytest.approx(curve[highest] - curve.max(), abs=1e-9)
