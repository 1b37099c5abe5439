"""Home: the newest runs, or the first steps."""

import re

import numpy as np
from streamlit.testing.v1 import AppTest

from pages.ui.home import runs
from ssrl_core import stores
from tests.kit import ROOT, make_imageset, make_run


def home() -> AppTest:
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    assert not test.exception
    return test


def text_of(test: AppTest) -> str:
    return " ".join(str(block.proto.body) for block in test.get("html"))


def test_an_empty_store_shows_the_first_steps():
    text = text_of(home())
    assert "No runs yet." in text
    assert "Step 1" in text


def test_a_run_is_shown_with_its_composition_and_what_pixels_give():
    make_run(spec={"terms": "mnist-first-set"})
    text = text_of(home())
    assert "Margin of 10 to 40 %" in text
    assert "0.950" in text
    assert "pixels 0.500" in text


def test_a_failed_run_says_why_and_a_running_one_how_far():
    make_run(state="failed", spec={"seed": 8})
    make_run(state="running", spec={"seed": 9})
    text = text_of(home())
    assert "planted by the test kit" in text
    assert "40 %" in text


def test_a_run_whose_images_are_gone_is_still_listed():
    make_run(state="queued")
    from ssrl_core.datasets import store

    store.delete("kit")
    assert "kit · SimCLR · Tiny CNN" in text_of(home())


def test_a_run_on_cells_offers_to_show_them_once():
    make_imageset(c=2)  # stains: these are cells
    make_run()
    links = [(link.proto.page, link.proto.query_string) for link in home().get("page_link")]
    assert sum(page == "Show" and "run=" in query for page, query in links) == 1


def test_classes_are_offered_where_there_are_labels_only():
    def offered():
        links = [(link.proto.page, link.proto.query_string) for link in home().get("page_link")]
        return sum(page == "Classes" and "run=" in query for page, query in links)

    folder = make_run()
    results = stores.read_json(folder / "results.json")
    for clusters in results["clusters"].values():
        clusters["ami"] = None
    stores.write_json(folder / "results.json", results | {"knn": None, "linear": None, "references": {}})
    assert offered() == 0
    make_run(spec={"seed": 9})
    assert offered() == 1


def test_opening_home_starts_nothing(monkeypatch):
    import subprocess

    def refuse(*args, **kwargs):
        raise AssertionError("a page body started a process")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    make_run(state="queued")
    home()


def test_a_thumbnail_leaves_out_points_that_are_nowhere():
    points = np.array([[0, 0], [1, 1], [np.nan, 0], [5, 5]], dtype=np.float32)
    picture = runs.thumbnail(points, np.array([0, 1, 0, -1]), ["#ff0000", "#00ff00"])
    assert picture.shape == (200, 320, 3)
    assert {tuple(p) for p in picture.reshape(-1, 3)} == {runs.GROUND, (255, 0, 0), (0, 255, 0)}
    assert (runs.thumbnail(points[:0], np.zeros(0, int), ["#ff0000"]) == runs.GROUND).all()


def test_samples_fill_the_same_space_as_a_map():
    imageset = make_imageset(10, c=3)
    rgb = imageset.pixels[:].transpose(0, 2, 3, 1)
    picture = runs.samples(rgb)
    assert picture.shape == (200, 320, 3)
    assert (picture[1:39, 1:39] > 20).any()


def shipped_home(monkeypatch) -> AppTest:
    monkeypatch.setenv("SSRL_DEMO", str(ROOT / "models" / "demo"))
    return home()


def test_a_fresh_store_opens_with_the_same_images_under_two_choices(monkeypatch):
    test = shipped_home(monkeypatch)
    text = text_of(test)
    assert "No runs yet." not in text
    assert [line in text for line in ("Keeps the digit", "Keeps the handwriting")] == [True, True]
    first, second = re.findall(r'<p class="vl-says"><b>Keeps</b> (.*?)\.', text)
    assert "which digit it is" in first
    assert "which digit it is" not in second
    asked = [link.proto.query_string for link in test.get("page_link")]
    assert any("example-cells" in query for query in asked)  # see the cells
    assert any("example-strokes" in query and "mnist-first-set" in query for query in asked)


def test_the_tour_has_three_stops_and_can_be_left_and_called_back(monkeypatch):
    test = shipped_home(monkeypatch)
    for stop in (1, 2, 3):
        assert f"Stop {stop} of 3" in text_of(test)
        if stop < 3:
            test = test.button(key="home-tour-next").click().run()
    test = test.button(key="home-tour-leave").click().run()
    assert "Stop" not in text_of(test)
    assert "Stop 1 of 3" in text_of(test.button(key="home-tour-begin").click().run())


def test_with_own_runs_the_newest_stand_first_and_the_example_stays_without_its_tour(monkeypatch):
    make_run(spec={"terms": "mnist-first-set"})
    text = text_of(shipped_home(monkeypatch))
    assert text.index("pixels 0.500") < text.index("Keeps the digit")
    assert "Stop 1 of 3" not in text
    assert "Better than raw pixels" in text or "pixels" in text
