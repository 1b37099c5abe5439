"""Compositions to and from torchvision code and solo-learn's YAML: what is said comes back, what is not is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ssrl_core.errors import SpecError
from ssrl_core.specs.composition import Branch, Composition, Step, ViewGroup, load, preset_names
from ssrl_core.specs.exchange import FORMATS, export, read, solo_learn
from ssrl_core.specs.transforms import TRANSFORMS
from tests.compositions.test_any_composition import any_composition
from tests.compositions.test_views import EVERYTHING

P = st.floats(0.01, 1.0).map(lambda p: round(p, 3))
AMOUNT = st.sampled_from([0.0, 0.1, 0.4, 0.8])


@st.composite
def sayable(draw):
    """Compositions that solo-learn can say."""
    size = draw(st.integers(8, 400))
    groups = []
    for number in range(draw(st.integers(1, 3))):
        low = draw(st.floats(0.01, 0.9).map(lambda x: round(x, 4)))
        crop = {"scale": [low, 1.0]} if draw(st.booleans()) else {"scale": [1.0, 1.0], "ratio": [1.0, 1.0]}
        steps = [Step("resized_crop", settings=crop)]
        for name in ("color_jitter", "grayscale", "gaussian_blur", "solarize", "equalize", "horizontal_flip"):
            if draw(st.booleans()):
                names = ("brightness", "contrast", "saturation", "hue")
                settings = {k: min(draw(AMOUNT), 0.5) if k == "hue" else draw(AMOUNT) for k in names}
                steps.append(Step(name, draw(P), settings=settings if name == "color_jitter" else {}))
        local = number > 0 and draw(st.booleans())
        groups.append(
            (draw(st.integers(1, 8)), tuple(steps), size - 3 if local else size, "local" if local else "global")
        )
    one = len(groups) == 1
    return Composition("any", tuple(ViewGroup("view" if one else f"view{i}", *g) for i, g in enumerate(groups, 1)))


@given(sayable())
def test_solo_learn_says_back_what_it_was_told(made):
    text = export(made, "solo-learn")
    back = read(text, "file", "any")
    assert back.composition == made
    assert export(back.composition, "solo-learn") == text
    plain = yaml.safe_load(text)  # as solo-learn reads it
    for entry, group in zip(plain, made.views, strict=True):
        assert (entry["crop_size"], entry["num_crops"]) == (group.size, group.count)
        assert all(isinstance(entry[s]["prob"], float) for s in list(solo_learn.ORDER.values())[1:])


@pytest.mark.parametrize("name", [n for n in preset_names() if n.startswith("sololearn")])
def test_presets_from_solo_learn_go_back_to_it(name):
    made = load(name)
    back = read(export(made, "solo-learn"), "file", name).composition
    assert [(g.count, g.size, g.steps) for g in back.views] == [(g.count, g.size, g.steps) for g in made.views]


SHIPPED = """
- rrc:
    enabled: True
    crop_min_scale: 0.08
    crop_max_scale: 1.0
  color_jitter:
    prob: 0.8
    brightness: 0.4  # a comment
    contrast: 0.4
    saturation: 0.2
    hue: 0.1
  grayscale:
    prob: 0.2
  gaussian_blur:
    prob: 1.0
  solarization:
    prob: 0
  equalization:
    prob: 0.0
  horizontal_flip:
    prob: 0.5
  crop_size: 224
  num_crops: 2
- rrc: {enabled: false}
  color_jitter: {prob: 0}
  grayscale: {prob: 0}
  horizontal_flip: {prob: 0.5}
  crop_size: 96
  num_crops: 6
"""


def test_a_file_as_solo_learn_writes_them_is_read():
    found = read(SHIPPED.encode(), "multicrop.yaml", "multicrop")
    first, second = found.composition.views
    assert (first.count, first.size, first.role) == (2, 224, "global")
    assert (second.count, second.size, second.role) == (6, 96, "local")
    assert [s.transform for s in first.steps] == [
        "resized_crop",
        "color_jitter",
        "grayscale",
        "gaussian_blur",
        "horizontal_flip",
    ]
    assert second.steps[0]["scale"] == (1.0, 1.0)
    assert any("bicubic" in note for note in found.notes)
    inline = "name: run\naugmentations:\n" + SHIPPED + "optimizer: {lr: 0.3}\n"
    assert read(inline, "run.yaml", "multicrop").composition == found.composition


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("hue: 0.1", "hue: 0.7"), "hue must be in 0..0.5, got 0.7"),
        (("prob: 0.8", "prob: 8"), "prob must be in 0..1, got 8"),
        (("crop_size: 96", "crop_size: big"), "pipeline 2: crop_size must be a whole number"),
        (("grayscale:\n    prob: 0.2", "greyscale:\n    prob: 0.2"), "greyscale must be a key of a pipeline"),
        (("    hue: 0.1\n", ""), "hue must be given where prob is above 0"),
        (("crop_min_scale: 0.08", "crop_min_scale: 2"), "scale must be"),
    ],
)
def test_a_wrong_file_is_answered_by_its_place(change, words):
    with pytest.raises(SpecError) as caught:
        read(SHIPPED.replace(*change), "file", "x")
    assert words in caught.value.message
    assert caught.value.remedy


CROP = Step("resized_crop")


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ((CROP, Step("rotation")), "step 2 rotation: transform"),
        ((CROP, Step("choice", branches=(Branch(1.0, (Step("invert"),)),))), "step 2 choice: transform"),
        ((CROP, Step("grayscale"), Step("color_jitter")), "step 3 color_jitter: order"),
        ((CROP, Step("solarize", settings={"threshold": 0.3})), "step 2 solarize: threshold"),
        ((CROP, Step("gaussian_blur", settings={"sigma": [0.1, 3.0]})), "step 2 gaussian_blur: sigma"),
        ((Step("resized_crop", 0.5),), "step 1 resized_crop: p"),
        ((Step("horizontal_flip"),), "resized_crop first"),
    ],
)
def test_what_solo_learn_cannot_say_is_refused_by_the_name_of_the_step(steps, words):
    with pytest.raises(SpecError) as caught:
        export(Composition.simple("x", steps, size=32), "solo-learn")
    assert words in caught.value.message
    assert caught.value.remedy


def test_a_size_is_asked_for_where_solo_learn_needs_one():
    made = Composition.simple("x", (CROP,))
    with pytest.raises(SpecError, match="--size"):
        export(made, "solo-learn")
    assert "crop_size: 48" in export(made, "solo-learn", side=48)


def run(text: str, image: torch.Tensor) -> list[torch.Tensor]:
    names: dict = {}
    exec(compile(text, "exported.py", "exec"), names)
    return names["views"](image)


UNWRITTEN = ("stain_crosstalk", "defocus", "elastic", "saturation_noise", "shading")


def exported(made: Composition) -> tuple[str, str]:
    """The code, or the refusal."""
    try:
        return export(made, "torchvision"), ""
    except SpecError as error:
        return "", error.message


@pytest.mark.parametrize("name", [*EVERYTHING, *preset_names()])
def test_torchvision_code_runs_or_the_step_is_named(name):
    made = (
        load(name) if name not in EVERYTHING else Composition.simple("x", (Step(name, 0.7, settings=EVERYTHING[name]),))
    )
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 40, 40), dtype=np.uint8))
    text, refusal = exported(made)
    if refusal:
        assert name in ("cells-any-channels", *UNWRITTEN, "resized_crop", "random_erasing")
        assert f"step 1 {name}" in refusal or f"step 4 {UNWRITTEN[0]}" in refusal
        return
    found = run(text, image)
    assert [view.shape[-1] for view in found] == [g.size or 40 for g in made.views for _ in range(g.count)]
    assert all(view.dtype == torch.float32 and 0 <= view.min() <= view.max() <= 1 + 1e-6 for view in found)


@pytest.mark.parametrize("seed", range(200, 230))
def test_torchvision_code_of_any_composition_runs_or_a_step_is_named(seed):
    made = any_composition(np.random.default_rng(seed))
    text, refusal = exported(made)
    if refusal:
        assert any(f" {name}: " in refusal for name in TRANSFORMS)
        return
    found = run(text, torch.rand(3, 24, 24))
    assert len(found) == made.view_count


def test_torchvision_code_without_chance_makes_our_view():
    from ssrl_core.compositions.draws import draw
    from ssrl_core.compositions.views import make_views
    from tests.compositions.workbench import photographs

    steps = (
        Step("resized_crop", settings={"scale": [1.0, 1.0], "ratio": [1.0, 1.0]}),
        Step("color_jitter", settings={"brightness": [1.2, 1.2], "contrast": [0.7, 0.7], "order": "fixed"}),
        Step("gamma", settings={"gamma": 1.4}),
        Step("horizontal_flip"),
        Step("solarize"),
    )
    made = Composition.simple("sure", steps, size=24)
    image = photographs(1, 48)
    (ours,) = make_views(image, draw(made, [0], seed=0, epoch=0), made, max_value=255)
    apart = (run(export(made, "torchvision"), image[0])[0] - ours[0, 0]).abs()
    assert (apart < 1e-4).float().mean() > 0.999


@pytest.mark.parametrize("to", ["viewloom", "json"])
def test_our_own_formats_come_back_byte_for_byte(to):
    for name in preset_names():
        text = export(load(name), to)
        found = read(text, "file", "x")
        assert found.composition == load(name)
        assert not found.notes
        assert export(found.composition, to) == text


def test_an_unknown_format_is_refused():
    with pytest.raises(SpecError, match="one of " + ", ".join(FORMATS)):
        export(load("identity"), "keras")
