"""What each transformation costs: solved once, resumed, with intervals over seeds; and the LPIPS design."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bench import lpips_design
from ssrl_core.errors import SpecError, Stopped
from ssrl_core.figures.curves import cost_curve, cost_map
from ssrl_core.paper import curves
from tests.kit import make_imageset


@pytest.fixture
def few(monkeypatch):
    """Three points of a small image set whose class is its brightness."""
    images = make_imageset(120, side=16, classes=3)
    pixels = np.array(images.pixels)
    chance = np.random.default_rng(0)
    pixels[:] = np.clip(60 + 60 * images.label_ids[:, None, None, None] + chance.normal(0, 9, pixels.shape), 0, 255)
    from ssrl_core.datasets.creation import Metadata, create

    create("few", pixels, pd.DataFrame({"label": images.label_ids.astype(str)}), Metadata(label="label"))
    kept = {name: curves.COSTS[name] for name in ("flips", "exposure")}
    monkeypatch.setattr(curves, "COSTS", kept)
    return "few"


def test_flips_keep_what_brightness_tells_and_exposure_takes_some_of_it(few):
    told = curves.summary(curves.curves(few, seeds=(5, 6)))
    assert set(told["concept"]) == {"label"}
    assert set(told["n"]) == {2}
    strongest = curves.at_strongest(told).set_index("transform")["kept"]
    assert strongest["flips"] > 0.95
    assert strongest["exposure"] < strongest["flips"]
    assert (told["low"] <= told["kept"]).all()


def test_a_stop_loses_at_most_one_point_and_what_is_there_is_not_solved_again(few, monkeypatch):
    def after_three(share):
        if share > 0.3:
            raise Stopped("enough")

    with pytest.raises(Stopped):
        curves.curves(few, seeds=(5,), share=after_three)
    done = len(curves._read(curves._loaded(few), 5))
    assert 0 < done < 7
    said = []
    curves.curves(few, seeds=(5,), report=said.append)
    assert len(said) == 7 - done
    monkeypatch.setattr(curves._Place, "told", lambda place, point: pytest.fail("solved again"))
    table = curves.curves(few, seeds=(5,))
    assert curves.summary(table)["low"].isna().all()
    found = curves.document(few, (5,))
    assert found["seeds"] == [5]
    assert "What each transformation costs" in curves.markdown(found)


def test_a_damaged_file_is_solved_anew(few):
    curves.curves(few, seeds=(5,))
    curves.path_of(curves._loaded(few), 5).write_text("{")
    assert curves.table(few, (5,)).empty


def test_an_image_set_without_anything_to_read_is_refused():
    from ssrl_core.datasets.creation import Metadata, create

    create("bare", np.zeros((60, 1, 8, 8), np.uint8), pd.DataFrame(index=range(60)), Metadata())
    with pytest.raises(SpecError, match="label or a column of numbers"):
        curves.curves("bare")


def test_every_point_is_a_composition():
    for point in (f"{name} {s:g}" for name, row in curves.COSTS.items() for s in row.strengths):
        assert curves.composition_of(point, 32).steps


def test_what_cannot_be_told_is_said_so():
    told = pd.DataFrame(
        [("flips", 0.5, "slant", 0.6, 0.5, 0.7, 3), ("flips", 0.5, "size", 0.7, 0.1, 1.3, 3)],
        columns=["transform", "strength", "concept", "kept", "low", "high", "n"],
    )
    sure, unsure = curves.sentences(told)
    assert sure.endswith("costs the slant most: 60 % (50 to 70) of it is kept.")
    assert unsure.startswith("What costs the size cannot be told with these seeds.")
    assert "70 % (10 to 130)" in unsure


def test_figures_have_a_cell_for_every_pair_and_a_line_for_every_concept():
    told = pd.DataFrame(
        [("crop", s, c, k, k - 0.1, k + 0.1, 3) for s in (0.2, 0.9) for c, k in (("digit", 0.9), ("slant", 0.3))],
        columns=["transform", "strength", "concept", "kept", "low", "high", "n"],
    )
    drawn = cost_map(curves.at_strongest(told), {"crop": "Crop 0.9"}).data[0]
    assert drawn.z.shape == (1, 2)
    assert "30 % (20 to 40)" in drawn.customdata[0][1]
    lines = cost_curve(told, ["digit", "slant"], title="Crop", unit="area").data
    assert [line.name for line in lines if line.mode == "lines+markers"] == ["digit", "slant"]


def test_the_design_mixes_no_main_effect_with_another_or_with_two_things_together():
    runs = lpips_design.design()
    assert runs.shape == (32, 10)
    assert (runs.T @ runs == 32 * np.eye(10)).all()
    products = [runs[:, a] * runs[:, b] for a in range(10) for b in range(a)]
    assert not np.any(runs.T @ np.array(products).T)


def test_effects_of_a_made_up_experiment_are_found():
    runs = lpips_design.design()
    chance = np.random.default_rng(0)
    rows = [
        {"run": run, "row": row, "seed": seed, "lpips": 0.3 + 0.05 * runs[run, 3] + chance.normal(0, 0.01)}
        for run in range(32) for seed in (5, 6, 7) for row in lpips_design.ROWS
    ]  # fmt: skip
    scores = lpips_design.scored(pd.DataFrame(rows))
    found = lpips_design.effects(runs, scores, "mnist-first-set").set_index("factor")
    assert found.loc["margin", "effect"] == pytest.approx(0.1, abs=0.01)
    others = found.drop("margin")
    assert ((others["low"] <= 0) & (others["high"] >= 0)).sum() >= 7
    assert set(scores["in order"]) <= set(range(11))
    said = lpips_design.conclusion(runs, scores, None, 8)
    once = int((scores.groupby("run")["in order"].max() == 10).sum())
    assert "(8 test images a seed; 3 seeds) none has the published order under every one of several seeds" in said
    assert f"{once or 'none'} under one at least" in said
    fewer = lpips_design.conclusion(runs, scores[(scores["seed"] == 5) | (runs[scores["run"], -1] < 0)], None, 8)
    assert "3 seeds at 64 px, 1 seed at 224 px" in fewer
    assert "margin: one for a run (by 0.0" in said
    again = scores[scores["run"] == 3].assign(levels="+---++++--", **{"in order": [10, 10, 7]})
    said = lpips_design.conclusion(runs, scores, again, 8)
    assert (
        "with 16 images each of 3 seeds that chose nothing, the published order stands for the nearest under 2 of 3"
        in said
    )


def test_the_levels_make_the_steps_that_they_name():
    low, high = (dict.fromkeys(lpips_design.FACTORS, level) for level in (False, True))
    plain = lpips_design.steps_of("mnist-second-set", low, np.random.default_rng(0))
    assert [s["transform"] for s in plain][-2:] == ["resized_crop", "random_erasing"]
    assert plain[-1] == {"transform": "random_erasing", "p": 0.5, "scale": [0.02, 0.3], "value": 0.0}
    other = lpips_design.steps_of("mnist-first-set", high, np.random.default_rng(0))
    assert [s["transform"] for s in other] == ["pad", "invert", "rotation", "side_crop", "color_jitter"]
    assert other[0]["fraction"][0] == other[0]["fraction"][1]
    assert other[0]["fill"] == 1.0
