"""What sets a cluster apart: the effect by its definition, the interval by the units, the words by both."""

import numpy as np
import pandas as pd
import pytest

from ssrl_core.analysis.effect_table import sentence
from ssrl_core.analysis.effects import Units, number_effects, units_of, value_effects


def alone(n):
    return Units(np.arange(n), n, "images")


def test_cliffs_delta_agrees_with_its_slow_twin():
    rng = np.random.default_rng(0)
    values = np.round(rng.normal(size=120), 1).astype(np.float32)
    values[::17] = np.nan
    ids = rng.integers(-1, 3, 120).astype(np.int32)
    found = number_effects(values, "v", ids, 3, alone(120))
    for c in range(3):
        known = np.isfinite(values)
        inside, outside = values[known & (ids == c)], values[known & (ids != c)]
        more = np.sign(inside[:, None] - outside[None, :]).mean()
        assert found[c].effect == pytest.approx(more, abs=1e-6)
        assert found[c].here == pytest.approx(np.median(inside))
        assert found[c].low <= found[c].effect <= found[c].high


def test_cells_of_one_well_are_not_replicates():
    rng = np.random.default_rng(1)
    wells = np.repeat(np.arange(12), 100)
    offset = rng.normal(0, 2, 12)[wells]
    values = (offset + rng.normal(0, 0.5, 1200)).astype(np.float32)
    ids = (wells % 2).astype(np.int32)
    by_image = number_effects(values, "v", ids, 2, Units(np.arange(1200) % 500, 500, "images"))[0]
    by_well = number_effects(values, "v", ids, 2, Units(wells, 12, "wells"))[0]
    assert by_well.effect == pytest.approx(by_image.effect)
    assert by_well.high - by_well.low > 3 * (by_image.high - by_image.low)


def test_too_few_plates_give_no_interval():
    values = np.arange(20, dtype=np.float32)
    found = number_effects(values, "v", (values > 9).astype(np.int32), 2, Units(np.arange(20) % 2, 2, "plates"))
    assert found[0].low is None
    assert found[0].clear  # the effect is -1


def test_shares_of_a_value_are_counted_among_images_that_have_one():
    codes = np.array([0, 0, 0, 1, 1, 1, 1, -1], np.int32)
    ids = np.array([0, 0, 1, 0, 1, 1, 1, 0], np.int32)
    drug = value_effects(codes, ("nocodazole", "DMSO"), "compound", ids, 2, alone(8))[0]
    assert drug[0].here == pytest.approx(2 / 3)
    assert drug[0].rest == pytest.approx(1 / 4)
    assert drug[0].effect == pytest.approx(2 / 3 - 1 / 4)
    assert drug[0].n == 3


def test_units_are_wells_of_plates_then_plates_then_images():
    table = pd.DataFrame({"plate": ["a", "a", "b", "b"], "well": ["1", "2", "1", "1"]})
    assert units_of(table).name == "wells"
    assert units_of(table).count == 3
    assert units_of(table[["plate"]]).name == "plates"
    assert units_of(table[[]]).name == "images"


def test_a_cluster_is_told_in_words():
    rng = np.random.default_rng(2)
    ids = np.repeat([0, 1], 200).astype(np.int32)
    area = np.where(ids == 0, 2.0, 0.0) + rng.normal(0, 1, 400)
    codes = np.where(ids == 0, rng.random(400) < 0.81, rng.random(400) < 0.07).astype(np.int32)
    numbers = number_effects(area.astype(np.float32), "area", ids, 2, alone(400))
    drugs = value_effects(codes, ("DMSO", "nocodazole"), "compound", ids, 2, alone(400))
    told = sentence([numbers[0], *(row[0] for row in drugs)])
    assert told.startswith("much larger; ")
    assert "% nocodazole (" in told
    assert "DMSO" not in told
    assert sentence([numbers[1]]) == "much smaller"


def test_what_is_not_clear_is_not_said():
    rng = np.random.default_rng(3)
    ids = rng.integers(0, 2, 300).astype(np.int32)
    effects = number_effects(rng.normal(size=300).astype(np.float32), "area", ids, 2, alone(300))
    assert sentence(effects[:1]) == ""


def test_one_cluster_and_an_empty_one_do_no_harm():
    values = np.arange(10, dtype=np.float32)
    found = number_effects(values, "v", np.zeros(10, np.int32), 2, alone(10))
    assert found[0].low is None
    assert found[1].n == 0
    assert sentence([found[0]]) == ""


def test_a_cluster_that_lies_in_one_well_has_no_interval_and_is_not_sure():
    rng = np.random.default_rng(4)
    wells = np.repeat(np.arange(12), 50)
    values = (rng.normal(0, 2, 12)[wells] + rng.normal(0, 0.1, 600)).astype(np.float32)
    at = int(np.argmax([values[wells == w].mean() for w in range(12)]))
    ids = np.where(wells == at, 1, 0).astype(np.int32)
    units = Units(wells, 12, "wells")
    for effect in number_effects(values, "area", ids, 2, units):
        assert abs(effect.effect) > 0.9
        assert (effect.low, effect.high, effect.clear) == (None, None, False)
        assert sentence([effect], units="wells") == ""
    drug = value_effects(ids, ("DMSO", "nocodazole"), "compound", ids, 2, units)[1][1]
    assert drug.low is None
    assert not drug.clear
    assert sentence([drug], units="wells") == "100 % nocodazole (0 % elsewhere; seen in 1 well only)"
