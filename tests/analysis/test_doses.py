"""Doses, wells and conditions: shares against a slow twin, planted EC50s found, nothing found where nothing is."""

import numpy as np
import pandas as pd
import pytest

from ssrl_core.analysis.doses import DOSE_MODELS, DoseCurve, DoseModel, dose_shares, dose_summary, fit_curve
from ssrl_core.analysis.intervals import compare_shares
from ssrl_core.analysis.plates import plate_format, plate_shares, well_name, well_place
from ssrl_core.errors import DataError

DOSES = np.array([0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0])


def _screen(ec50, reach, *, cells=60, seed=0, replicates=3):
    """Cells of a screen: untreated and eight doses; group 1 grows with the dose."""
    rng = np.random.default_rng(seed)
    rows = []
    for replicate in range(replicates):
        for dose in (0.0, *DOSES):
            share = 0.05 + (reach / (1 + (ec50 / dose) ** 1.2) if dose else 0.0)
            rows += [(int(rng.random() < share), dose, f"plate-{replicate}") for _ in range(cells)]
    return tuple(np.array(column) for column in zip(*rows, strict=True))


def test_shares_are_those_of_a_loop():
    groups, doses, replicates = _screen(0.1, 0.8, cells=7)
    table = dose_shares(groups, doses, replicates, 2)
    for _, row in table.iterrows():
        own = [
            g for g, d, r in zip(groups, doses, replicates, strict=True) if d == row["dose"] and r == row["replicate"]
        ]
        assert row["cells"] == len(own)
        assert row["share"] == pytest.approx(sum(g == row["group"] for g in own) / len(own))
    assert np.allclose(table.groupby(["dose", "replicate"])["share"].sum(), 1)


def test_cells_in_no_group_or_without_a_dose_are_left_out():
    table = dose_shares([0, 1, -1, 1], [0.0, 0.0, 0.0, np.nan], ["a"] * 4, 2)
    assert table["cells"].tolist() == [2, 2]
    with pytest.raises(DataError, match="one length"):
        dose_shares([0], [0.0, 1.0], ["a"], 1)


def test_the_summary_has_students_interval_over_replicates_and_wilsons_for_one():
    table = dose_shares([0] * 6 + [1] * 4, [1.0] * 10, ["a"] * 5 + ["b"] * 5, 2)
    own = dose_summary(table).iloc[0]
    values = np.array([1.0, 0.2])
    half = 12.7062 * values.std(ddof=1) / np.sqrt(2)
    assert (own["share"], own["replicates"], own["cells"]) == (0.6, 2, 10)
    assert (own["low"], own["high"]) == (max(0, 0.6 - half), min(1, 0.6 + half))
    single = dose_summary(dose_shares([0] * 8 + [1] * 2, [1.0] * 10, ["a"] * 10, 2)).iloc[0]
    assert (single["low"], single["high"]) == pytest.approx((0.4902, 0.9433), abs=1e-3)  # Wilson 8 of 10


@pytest.mark.parametrize("ec50", [0.01, 0.1, 0.4])
def test_a_planted_ec50_is_found_within_its_interval(ec50):
    groups, doses, replicates = _screen(ec50, 0.8)
    own = dose_shares(groups, doses, replicates, 2).query("group == 1")
    curve = fit_curve(own["dose"], own["share"], own["cells"])
    assert isinstance(curve, DoseCurve), curve
    assert curve.ec50_low <= ec50 <= curve.ec50_high
    assert curve.ec50 == pytest.approx(ec50, rel=0.5)
    assert curve.end - curve.start == pytest.approx(0.8, abs=0.12)
    assert curve.at([0.0])[0] == pytest.approx(curve.start)
    assert curve.at([curve.ec50])[0] == pytest.approx((curve.start + curve.end) / 2)


def test_no_curve_is_told_where_the_dose_does_nothing():
    told = []
    for seed in range(15):
        own = dose_shares(*_screen(0.1, 0.0, seed=seed), 2).query("group == 1")
        told.append(fit_curve(own["dose"], own["share"], own["cells"]))
    assert sum(isinstance(t, DoseCurve) for t in told) <= 1


def test_no_ec50_is_told_outside_the_doses_or_with_few_of_them():
    own = dose_shares(*_screen(300.0, 0.9), 2).query("group == 1")
    assert isinstance(fit_curve(own["dose"], own["share"], own["cells"]), str)
    few = own[own["dose"].isin([0.0, 0.1, 1.0])]
    assert fit_curve(few["dose"], few["share"], few["cells"]) == "fewer than 4 doses"


def test_every_dose_model_rises_from_none_through_half_at_the_ec50():
    for model in DOSE_MODELS.values():
        guesses = [first for first, _, _ in model.shape.values()]
        share = model.share(np.array([0.0, 1e-6, 0.1, 1e6]), 0.2, 0.8, -1.0, *guesses)
        assert share == pytest.approx([0.2, 0.2, 0.5, 0.8], abs=1e-3)


def test_another_dose_model_is_one_row(monkeypatch):
    rise = lambda ratio: ratio / (1 + ratio)  # noqa: E731
    monkeypatch.setitem(DOSE_MODELS, "slope_1", DoseModel("slope_1", "slope 1", "Slope 1.", rise, {}, fewest_doses=3))
    own = dose_shares(*_screen(0.1, 0.8), 2).query("group == 1")
    curve = fit_curve(own["dose"], own["share"], own["cells"], "slope_1")
    assert isinstance(curve, DoseCurve)
    assert curve.ec50_low <= 0.1 <= curve.ec50_high
    assert curve.shape == {}


def test_wells_have_their_places():
    assert well_place("B03") == well_place("b3") == (1, 2)
    assert well_place("P24") == (15, 23)
    assert well_place("AF48") == (31, 47)
    assert well_place("3B") is well_place("") is well_place("B0") is None
    assert [well_name(*well_place(n)) for n in ("A1", "H12", "AA05")] == ["A01", "H12", "AA05"]


def test_the_plate_is_the_smallest_that_holds_its_wells():
    assert plate_format(["A1", "H12"]) == 96
    assert plate_format(["A1", "I3"]) == 384
    assert plate_format(["AA1"]) == 1536
    assert plate_format(["?"]) == 96


def test_shares_of_wells_are_counted():
    table = plate_shares(["B3", "B03", "A1", "A1", "?"], [1, 0, 1, -1, 1], 1)
    assert table["well"].tolist() == ["A01", "B03"]
    assert table["cells"].tolist() == [1, 2]
    assert table["share"].tolist() == [1.0, 0.5]
    assert (table["low"] <= table["share"]).all()


def test_two_conditions_differ_by_newcombes_interval():
    groups = np.repeat([0, 1, 0, 1], [56, 14, 48, 32])
    first = np.arange(150) < 70
    row = compare_shares(groups, first, ~first, 2).iloc[0]
    # Newcombe 1998, table II: 56/70 - 48/80 has the interval 0.0524 to 0.3339 by method 10
    assert -row["difference"] == pytest.approx(0.2)
    assert (-row["high"], -row["low"]) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert pd.isna(compare_shares(groups, first, np.zeros(150, bool), 2)["difference"]).all()
