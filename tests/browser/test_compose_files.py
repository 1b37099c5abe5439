"""The File menu of the Compose page in a real Chromium: what goes out can be used, what comes in is checked."""

from __future__ import annotations

import json
import runpy

import pytest

from ssrl_core.specs.composition import dump, load
from ssrl_core.specs.exchange import read
from tests.browsing import served, tab
from tests.kit import make_imageset

pytestmark = [pytest.mark.browser, pytest.mark.slow]

EDITED = "name: mine\nsteps:\n  - {transform: rotation, degrees: 33}\n  - {transform: gaussian_blur, p: 0.25}\n"
SOLO = "- rrc: {enabled: true, crop_min_scale: 0.3, crop_max_scale: 1.0}\n  crop_size: 16\n  num_crops: 2\n"
BAD = {
    "bad.yaml": (b"name: bad\nsteps: [{transform: color_jitter, hue: 0.9}]\n", "hue must be in 0..0.5, got 0.9"),
    "picture.yaml": (b"\x89PNG\r\n\x1a\n\xff\xfe", "encoding must be UTF-8 text"),
    "broken.json": (b'{"name": "broken", "steps": [', "File"),
    "empty.yaml": (b"", "File"),
    "newer.yaml": (b"version: 9\nname: newer\nsteps: []\n", "version"),
    "odd.yaml": (b"name: odd\nsteps: [{transform: rotatoin, degrees: 3}]\n", "Did you mean rotation?"),
}


@pytest.fixture
def page():
    make_imageset(30, c=3)
    with served() as address, tab(timeout_s=120) as found:
        found.goto(f"{address}/Compose?dataset=kit&composition=sololearn-symmetric&images=4")
        found.locator(".st-key-compose-grid-room canvas").first.wait_for()
        open_menu(found)
        yield found


def open_menu(page) -> None:
    page.get_by_role("button", name="File").click()
    page.get_by_text("Open a YAML or JSON file").wait_for()


def test_what_goes_out_says_the_same_in_each_format(page, tmp_path):
    composition = load("sololearn-symmetric")
    for label, name in (
        ("YAML", "sololearn-symmetric.yaml"),
        ("JSON", "sololearn-symmetric.json"),
        ("torchvision v2 (Python)", "sololearn-symmetric.py"),
        ("solo-learn (YAML)", "sololearn-symmetric.yaml"),
    ):
        with page.expect_download() as waited:
            page.get_by_test_id("stDownloadButton").get_by_text(label, exact=True).click()
        assert waited.value.suggested_filename == name
        file = tmp_path / f"{label[:4]}-{name}"
        waited.value.save_as(file)
        text = file.read_text(encoding="utf-8")
        if label == "YAML":
            assert text == dump(composition)
        elif label == "JSON":
            assert json.loads(text) == composition.to_mapping()
        elif name.endswith(".py"):
            assert runpy.run_path(str(file))
        else:
            assert read(text, "File", composition.name).format == "solo-learn"


def test_what_comes_in_is_taken_or_refused_by_its_place_and_the_draft_stays(page, tmp_path):
    for name, text, said in (
        ("edited.yaml", EDITED, "Opened edited.yaml. Comments and layout"),
        ("from-solo.yaml", SOLO, "Opened from-solo.yaml."),
        ("ours.json", json.dumps(load("cifar-base").to_mapping()), "Opened ours.json."),
    ):
        upload(page, tmp_path / name, text.encode())
        page.get_by_text(said).wait_for()
    sentence = page.locator(".vl-sentence").inner_text()
    assert "crop" in sentence.lower()
    for name, (content, said) in BAD.items():
        upload(page, tmp_path / name, content)
        page.get_by_test_id("stAlert").get_by_text(said).first.wait_for()
        assert page.locator(".vl-sentence").inner_text() == sentence
    upload(page, tmp_path / "large.yaml", b"#" * (2 << 20))
    page.get_by_text("File must be 1.0MB or smaller").wait_for()


def upload(page, file, content: bytes) -> None:
    file.write_bytes(content)
    page.locator("input[type=file]").set_input_files(str(file))
