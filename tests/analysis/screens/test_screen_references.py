"""The same screen by pycytominer and copairs: profiles, corrections and average precision agree to 1e-6."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ssrl_core.analysis.screens import matching, retrieval
from ssrl_core.analysis.screens.correction import normalised, sphered
from ssrl_core.analysis.screens.profiles import aggregate, screen_table, treatment_profiles, wells_profiles
from ssrl_core.analysis.screens.screen import screen
from ssrl_core.specs.screens import Recipe
from tests.analysis.screens.planted import Plan, planted
from tests.kit import IN_CI

for peer in ("pycytominer", "copairs"):
    if not IN_CI:
        pytest.importorskip(peer)
import copairs.map  # noqa: E402
import pycytominer  # noqa: E402

PLAN = Plan(plate=1.0, batch=1.0, effect=6.0, mechanisms=3, compounds=3, inactive=4)


def frame(wells) -> pd.DataFrame:
    features = pd.DataFrame(wells.x, columns=[f"Cells_{i}" for i in range(wells.x.shape[1])])
    return pd.concat([wells.table.add_prefix("Metadata_"), features], axis=1)


def features(table) -> list[str]:
    return [c for c in table if c.startswith("Cells_")]


@pytest.mark.parametrize("how", ["mean", "median"])
def test_wells_are_those_of_pycytominer(how):
    chance = np.random.default_rng(0)
    cells = pd.DataFrame(chance.normal(size=(600, 5)), columns=[f"Cells_{i}" for i in range(5)])
    cells["Metadata_plate"], cells["Metadata_well"] = (
        chance.choice(["p1", "p2"], 600),
        chance.choice(["A01", "B02"], 600),
    )
    own = ["Metadata_plate", "Metadata_well"]
    theirs = pycytominer.aggregate(cells, strata=own, features=[f"Cells_{i}" for i in range(5)], operation=how)
    about = screen_table(cells.assign(compound="DMSO"))
    ours = wells_profiles(cells[features(cells)].to_numpy(), about, how)
    assert ours.table[["plate", "well"]].to_numpy().tolist() == theirs[own].to_numpy().tolist()
    np.testing.assert_allclose(ours.x, theirs[features(theirs)], atol=1e-9)


@pytest.mark.parametrize(("how", "method"), [("robust_z", "mad_robustize"), ("z", "standardize")])
def test_plates_are_normalised_as_by_pycytominer(how, method):
    wells = planted(PLAN, 1)
    table = frame(wells)
    parts = [
        pycytominer.normalize(own, features=features(table), meta_features=["Metadata_plate"], method=method,
                              samples="Metadata_untreated")
        for _, own in table.groupby("Metadata_plate", sort=False)
    ]  # fmt: skip
    theirs = pd.concat(parts).sort_index()[features(table)].to_numpy()
    none = wells.table["untreated"].to_numpy(bool)
    ours, said = normalised(wells.x, wells.table["plate"].to_numpy(), none, how=how)
    assert not said
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("dim", "ridge"), [(10, 0.3), (10, 1e-6), (80, 0.5)])
def test_sphering_is_that_of_pycytominer(dim, ridge):
    wells = planted(Plan(dim=dim, mechanisms=2, compounds=2, inactive=2), 2)
    none = wells.table["untreated"].to_numpy(bool)
    table = frame(wells)
    theirs = pycytominer.normalize(
        table, features=features(table), meta_features=["Metadata_plate"], method="spherize",
        samples="Metadata_untreated",
        spherize_method="ZCA-cor", spherize_epsilon=ridge * np.sqrt(none.sum() - 1),
    )  # fmt: skip
    ours, used, _ = sphered(wells.x, none, wells.table["plate"].to_numpy(), ridge=ridge)
    assert used == ridge
    np.testing.assert_allclose(ours, theirs[features(theirs)].to_numpy(), rtol=1e-6, atol=1e-6)


def test_activity_is_the_map_of_copairs(tmp_path):
    wells = screen(planted(PLAN, 3), Recipe()).scored.wells
    meta = wells.table.assign(group=wells.table["treatment"].where(~wells.table["untreated"], "untreated"))
    meta["row"] = np.where(meta["untreated"], [f"u{i}" for i in range(len(meta))], "treated")
    treated = meta["treatment"][~meta["untreated"]].unique()
    ours = retrieval.activity(wells).set_index("treatment")
    for name in treated[:6]:
        chosen = ((meta["treatment"] == name) | meta["untreated"]).to_numpy()
        own = meta[chosen].reset_index(drop=True).assign(treatment=lambda t: t["treatment"].astype(str))
        own.loc[own["untreated"], "treatment"] = own.loc[own["untreated"], "row"]
        theirs = copairs.map.average_precision(
            own[["plate", "treatment", "untreated"]], wells.x[chosen], ["treatment"], [], ["plate"], ["untreated"],
            progress_bar=False,
        )  # fmt: skip
        treated_rows = theirs[~theirs["untreated"]]
        assert ours["map"][name] == pytest.approx(treated_rows["average_precision"].mean(), abs=1e-6)
        normal = treated_rows["normalized_average_precision"].mean()
        assert ours["map_normalised"][name] == pytest.approx(normal, abs=1e-6)


def test_consistency_is_the_map_of_copairs():
    scored = screen(planted(PLAN, 4), Recipe()).scored
    known = scored.treatments.table["mechanism"].notna().to_numpy()
    meta = scored.treatments.table[known][["treatment", "compound", "mechanism"]].reset_index(drop=True)
    theirs = copairs.map.average_precision(
        meta, scored.treatments.x[known], ["mechanism"], ["compound"], [], ["mechanism", "compound"], progress_bar=False
    )
    ours = scored.consistency.set_index("mechanism")["map"]
    for name, own in theirs.groupby("mechanism"):
        assert ours[name] == pytest.approx(own["average_precision"].mean(), abs=1e-6)


def test_medians_of_replicates_are_those_of_copairs():
    wells = screen(planted(PLAN, 5), Recipe()).scored.wells
    treated = wells.of(~wells.table["untreated"].to_numpy(bool))
    from copairs.replicating import corr_between_replicates

    theirs, _ = corr_between_replicates(treated.x, treated.table[["treatment"]], ["treatment"], [], progress_bar=False)
    agree = matching.correlation(treated.x)
    for name, own in treated.table.groupby("treatment").groups.items():
        assert matching._median_pair(agree, np.asarray(own)) == pytest.approx(theirs["median"][name], abs=1e-6)


def test_treatments_are_those_of_pycytominer():
    wells = planted(PLAN, 6)
    treated = frame(wells.of(~wells.table["untreated"].to_numpy(bool)))
    theirs = pycytominer.consensus(
        treated, replicate_columns=["Metadata_treatment"], operation="median", features=features(treated)
    )
    ours = treatment_profiles(wells, "median")
    assert ours.table["treatment"].tolist() == theirs["Metadata_treatment"].tolist()
    np.testing.assert_allclose(ours.x, theirs[features(theirs)], atol=1e-9)


def test_a_trimmed_mean_is_that_of_scipy():
    from scipy.stats import trim_mean

    x, codes = np.random.default_rng(1).normal(size=(101, 3)), np.arange(101) % 2
    found = aggregate(x, codes, 2, "trimmed_mean")
    np.testing.assert_allclose(found[1], trim_mean(x[1::2], 0.1, axis=0))
