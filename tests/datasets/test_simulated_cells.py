"""Simulated cells: seeded, promised truly, and what the table says of a cell is true of its picture."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from ssrl_core.datasets import builtin, splits, store
from ssrl_core.datasets.cells import agreement, detect
from ssrl_core.datasets.made import simulated_cells
from ssrl_core.datasets.made.simulation.chance import Chance
from ssrl_core.datasets.made.simulation.crops import Camera, FieldSettings, draw_crops, draw_field, respond
from ssrl_core.datasets.made.simulation.population import (
    COMPOUNDS,
    CONTROL,
    NATURAL_MITOSIS,
    RESPONSE_NAMES,
    effect,
    response_shares,
    screen,
)
from ssrl_core.errors import SpecError


def _simulated(count, **kept):
    parts = list(simulated_cells.simulate(count, **kept))
    return np.concatenate([p for p, _ in parts]), pd.concat([t for _, t in parts], ignore_index=True)


@pytest.fixture(scope="module")
def drawn():
    return _simulated(160, seed=5)


def test_the_same_seed_draws_the_same_cells_and_another_seed_does_not(drawn):
    pixels, table = _simulated(160, seed=5)
    assert np.array_equal(pixels, drawn[0])
    assert table.equals(drawn[1])
    assert not np.array_equal(_simulated(64, seed=6)[0], _simulated(64, seed=5)[0])


def test_the_built_in_set_is_what_was_promised():
    row = builtin.BUILT_IN["simulated-cells"]
    few = dataclasses.replace(row, count=96)
    simulated_cells.make(few)
    made = store.load("simulated-cells")
    assert (made.shape, made.dtype, made.classes, made.label) == (row.shape, row.dtype, row.classes, row.label)
    assert made.pixel_size_um == pytest.approx(0.65)
    assert [c.name for c in made.channels] == ["DNA", "actin", "tubulin"]
    assert row.count * int(np.prod(row.shape)) <= 60e6, "small enough to be made on first use"


def test_the_subset_that_ships_is_one_compound_at_its_higher_doses_and_as_many_untreated():
    row = builtin.BUILT_IN["simulated-nocodazole"]
    simulated_cells.make(dataclasses.replace(row, count=120))
    made = store.load(row.name)
    assert (made.shape, made.classes, made.label) == (row.shape, row.classes, row.label)
    counts = made.table["compound"].value_counts()
    assert counts["sim-nocodazole"] == counts[CONTROL] == 60
    treated = made.table.loc[made.table["compound"] != CONTROL, "dose"]
    assert sorted(treated.unique()) == list(COMPOUNDS["sim-nocodazole"].doses_um[-4:])
    assert row.count * int(np.prod(row.shape)) <= 60e6, "small enough to be made on first use"


@pytest.mark.parametrize(("name", "only"), [("simulated-cells", None), ("simulated-nocodazole", "sim-nocodazole")])
def test_its_promised_splits_are_those_of_its_seed(name, only):
    row = builtin.BUILT_IN[name]
    wells = screen(Chance(simulated_cells.SEED, 0))
    compound = wells["compound"].to_numpy()[simulated_cells._well_of_each(wells, row.count, only)]
    labels = np.array([row.classes.index(name) for name in compound])
    split = splits.stratified(labels, splits.seeded_order(row.count, 5))
    assert tuple(int((np.asarray(split) == name).sum()) for name in splits.SPLITS) == row.splits


def test_every_condition_has_its_cells_in_every_plate():
    wells = screen(Chance(5, 0))
    chosen = wells.iloc[simulated_cells._well_of_each(wells, 2000)]
    untreated = chosen["compound"] == CONTROL
    assert untreated.mean() == pytest.approx(simulated_cells.CONTROL_SHARE, abs=0.002)
    assert set(chosen["compound"]) == {CONTROL, *COMPOUNDS}
    for compound in COMPOUNDS.values():
        own = chosen[chosen["compound"] == compound.name]
        assert sorted(own["dose"].unique()) == list(compound.doses_um)
        assert own["plate"].nunique() == 3


def test_a_compound_takes_another_row_on_every_plate():
    wells = screen(Chance(5, 0))
    treated = wells[wells["compound"] != CONTROL]
    for _, own in treated.groupby(["plate", "compound"]):
        assert own["well"].str[0].nunique() == 1
    assert (wells.groupby("plate")["well"].nunique() == 36).all()


def test_doses_follow_a_hill_curve_with_the_stated_ec50():
    for compound in COMPOUNDS.values():
        assert effect(compound.name, compound.ec50_um) == pytest.approx(0.5)
        tenfold = effect(compound.name, 10 * compound.ec50_um)
        assert tenfold == pytest.approx(1 / (1 + 10**-compound.hill))
        assert effect(compound.name, 0.0) == 0.0
        shares = [1 - response_shares(compound.name, dose)[0] for dose in compound.doses_um]
        assert np.all(np.diff(shares) > 0)


def test_compounds_have_four_two_and_four_responses_one_of_which_looks_untreated():
    counts = {name: int((response_shares(name, c.doses_um[-1]) > 0.02).sum()) for name, c in COMPOUNDS.items()}
    assert counts == {"sim-nocodazole": 4, "sim-cytochalasin-b": 2, "sim-taxol": 4}
    for name, compound in COMPOUNDS.items():
        highest = response_shares(name, compound.doses_um[-1])
        assert highest.sum() == pytest.approx(1)
        assert 0.05 < highest[0] < 0.3, "some cells look untreated at every dose"
    untreated = response_shares(CONTROL, 0.0)
    assert untreated[0] == pytest.approx(1 - NATURAL_MITOSIS)


def test_responses_are_drawn_in_their_shares():
    wells = pd.DataFrame({"compound": ["sim-taxol", CONTROL], "dose": [3.0, 0.0]})
    scene = np.repeat([0, 1], 8000)
    response, strength = respond(wells, scene, Chance(1))
    for row, (compound, dose) in enumerate((("sim-taxol", 3.0), (CONTROL, 0.0))):
        found = np.bincount(response[scene == row], minlength=len(RESPONSE_NAMES)) / 8000
        assert found == pytest.approx(response_shares(compound, dose), abs=4 * np.sqrt(0.25 / 8000))
    assert strength.min() >= 0.6
    assert strength.max() <= 1.0


def _clear_crops(compound, dose, count, side=96):
    """Crops of one condition under an even, sharp, quiet camera."""
    wells = screen(Chance(5, 0))
    own = wells[(wells["compound"] == compound) & (wells["dose"] == dose)].iloc[:1]
    rows = own.loc[own.index.repeat(count)].reset_index(drop=True).assign(site=1, defocus_um=0.0)
    camera = Camera(pixel_um=62.4 / side, haze=0.0, shading=0.0, read_noise=0.5)
    return (*draw_crops(rows, side=side, camera=camera, chance=Chance(9, 1)), camera)


def test_neighbours_are_the_other_nuclei_that_can_be_counted_in_the_picture():
    pixels, table, _ = _clear_crops(CONTROL, 0.0, 48)
    found = np.array([detect(image[0]).max() for image in pixels]) - 1
    # Those whose middle lies outside, but whose edge is in, are seen as well.
    more = found - table["neighbours"].to_numpy()
    assert np.corrcoef(found, table["neighbours"])[0, 1] > 0.8
    assert np.mean((more >= -1) & (more <= 3)) > 0.9


def test_the_cell_in_the_middle_has_the_area_that_the_table_says():
    pixels, table, camera = _clear_crops(CONTROL, 0.0, 48)
    areas = []
    for image in pixels:
        labels = detect(image[0])
        own = labels[48, 48]
        areas.append(float((labels == own).sum()) * camera.pixel_um**2 if own else np.nan)
    areas = np.array(areas)
    assert np.isfinite(areas).mean() > 0.9
    ratio = areas / table["nuclear_area_um2"].to_numpy()
    assert np.nanmedian(ratio) == pytest.approx(1, abs=0.2)
    good = np.isfinite(ratio) & (ratio < 1.6)  # two that touch may be taken for one
    assert np.corrcoef(areas[good], table["nuclear_area_um2"][good])[0, 1] > 0.7


def test_each_response_shows_in_the_picture():
    """Mitotic cells are small and bright in DNA, aggregated actin is spotty, diffuse tubulin is smooth."""
    wells = screen(Chance(5, 0))
    parts = []
    for name, compound in COMPOUNDS.items():
        rows = wells[(wells["compound"] == name) & (wells["dose"] == compound.doses_um[-1])].iloc[:1]
        rows = rows.loc[rows.index.repeat(60)].reset_index(drop=True).assign(site=1)
        parts.append(draw_crops(rows, side=96, camera=simulated_cells.camera_for(96), chance=Chance(2, len(name))))
    pixels = np.concatenate([p for p, _ in parts])[:, :, 33:63, 33:63].astype(float)
    table = pd.concat([t for _, t in parts], ignore_index=True)
    peak = pd.Series(np.percentile(pixels[:, 0], 98, axis=(1, 2))).groupby(table["response"]).median()
    actin = pixels[:, 1]
    rough = pd.Series(actin.std(axis=(1, 2)) / actin.mean(axis=(1, 2))).groupby(table["response"]).median()
    lines = pd.Series(np.abs(np.diff(pixels[:, 2], axis=2)).mean(axis=(1, 2)) / pixels[:, 2].mean(axis=(1, 2)))
    lines = lines.groupby(table["response"]).median()
    assert peak["mitotic"] > 1.4 * peak["untreated"]
    assert rough["aggregated"] > 1.4 * rough["untreated"]
    assert lines["diffuse"] < 0.8 * lines["untreated"]
    area = table["nuclear_area_um2"].groupby(table["response"]).median()
    assert area["multinucleated"] > 1.2 * area["untreated"] > 1.2 * area["mitotic"]


def test_grey_values_use_the_range_without_being_cut_off(drawn):
    pixels, _ = drawn
    assert (pixels == 255).mean() < 0.005
    assert np.all(np.percentile(pixels, 99.9, axis=(0, 2, 3)) > 120)


def test_sixteen_bit_cells_of_another_side():
    made = simulated_cells.make_simulated("more-cells", 20, side=64, bits=12, seed=3)
    assert made.pixels.dtype == np.uint16
    assert (made.shape, made.max_value) == ((3, 64, 64), 4095)
    assert 1000 < made.pixels.max() <= 4095
    assert made.pixel_size_um == pytest.approx(62.4 / 64)


@pytest.mark.parametrize(
    "bad", [{"count": 0}, {"count": 5, "side": 8}, {"count": 5, "bits": 20}, {"count": 5, "only": "aspirin"}]
)
def test_impossible_wishes_are_refused(bad):
    with pytest.raises(SpecError, match="simulated cells"):
        simulated_cells.make_simulated("x", **bad)
    assert not store.is_ready("x")


def test_a_field_knows_each_of_its_nuclei():
    drawn = draw_field(FieldSettings(shape=(300, 400), density_per_mm2=900), seed=4)
    assert drawn.pixels.shape == (3, 300, 400)
    assert drawn.nuclei.max() == len(drawn.cells)
    for number in (1, len(drawn.cells) // 2):
        rows, columns = np.nonzero(drawn.nuclei == number)
        cell = drawn.cells.iloc[number - 1]
        assert np.hypot(rows.mean() - cell["y_px"], columns.mean() - cell["x_px"]) < 40
    dna = drawn.pixels[0].astype(float)
    assert dna[drawn.nuclei > 0].mean() > 2 * dna[drawn.nuclei == 0].mean()
    assert agreement(drawn.nuclei, drawn.nuclei).f1 == 1.0
