"""Which steps fight."""

from __future__ import annotations

from typing import Any

from ssrl_core.specs.composition import Composition, conflicts, load


def _made(*steps: dict[str, Any]) -> Composition:
    return load({"name": "made", "steps": list(steps)})


CROP, CENTRE = {"transform": "resized_crop"}, {"transform": "center_crop"}


def test_a_random_crop_beside_a_centre_crop_in_one_composition_is_to_be_parted() -> None:
    (one,) = conflicts([_made(CENTRE, CROP)])
    assert one.within
    assert {one.first, one.second} == {(0, "resized_crop"), (0, "center_crop")}
    assert "two terms" in one.sentence


def test_the_papers_two_terms_fight_over_the_crop_and_over_nothing_else() -> None:
    (one,) = conflicts([load("cells-figure6-right"), load("cells-figure6-left")])
    assert not one.within
    assert {one.first, one.second} == {(0, "center_crop"), (1, "resized_crop")}
    assert "weights" in one.sentence


def test_what_never_happens_does_not_fight() -> None:
    assert not conflicts([_made({**CENTRE, "enabled": False}, CROP)])
    assert not conflicts([_made({**CENTRE, "p": 0}, CROP)])
    assert not conflicts([_made(CROP)])
    branch = {"transform": "choice", "of": [{"weight": 1, "steps": [CENTRE]}, {"weight": 1, "steps": []}]}
    assert len(conflicts([_made(branch, CROP)])) == 1


def test_colours_that_are_taken_away_are_not_worth_shifting() -> None:
    jitter = {"transform": "color_jitter", "brightness": 0.4, "contrast": 0.4, "saturation": 0.2, "hue": 0.1}
    assert conflicts([_made(jitter, {"transform": "grayscale", "p": 1.0})])
    assert not conflicts([_made(jitter, {"transform": "grayscale", "p": 0.2})])
    assert not conflicts([_made({**jitter, "hue": 0.0}, {"transform": "grayscale", "p": 1.0})])


def test_no_composition_that_ships_fights_with_itself_unless_it_says_so() -> None:
    from ssrl_core.specs.composition import preset_names

    quarrelling = {name for name in preset_names() if conflicts([load(name)])}
    assert quarrelling <= {"cells-figure6-right-random"}
