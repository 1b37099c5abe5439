"""The Show page: no word of machine learning before one asks, true numbers, its choices in its address."""

import dataclasses
import io
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from pages.ui.map.evaluated import clusters_of, open_run
from pages.ui.show import cells as pictures
from pages.ui.show import doses
from pages.ui.show.cells import SAFE, Look, changes_of, shown_cells, table_of
from pages.ui.show.doses import dose_of, dose_words, most_changed
from pages.ui.show.groups import lead, more_under, stains
from ssrl_core import stores
from ssrl_core.analysis.doses import DoseCurve
from ssrl_core.datasets import store
from ssrl_core.exports.card import paragraph
from ssrl_core.figures.style import percent
from ssrl_core.runs.folder.run_folder import RunFolder
from tests.kit import make_imageset, make_run
from tests.paging import opened
from tests.screen_kit import make_screen, make_screen_run

JARGON = re.compile(
    r"embedding|cluster|k-means|centroid|AMI|silhouette|kNN|projection|backbone|augmentation", re.IGNORECASE
)


def page(**query) -> AppTest:
    return opened("pages/8_Show.py", query)


def html_of(blocks) -> str:
    return " ".join(re.sub(r"<style>.*?</style>", "", str(b.proto.body), flags=re.DOTALL) for b in blocks)


@pytest.fixture
def run():
    return open_run(make_screen_run().name)


def test_without_runs_the_page_says_what_to_do():
    found = page()
    assert "No finished runs yet." in html_of(found.get("html"))
    assert not found.get("popover")  # it does not hide in one


def test_no_word_of_machine_learning_before_one_asks():
    make_screen_run()
    test = page()
    folded = {str(b.proto.body) for e in test.expander for b in e.get("html")}
    shown = [b for b in test.main.get("html") if str(b.proto.body) not in folded]
    assert folded
    words = re.sub(r"<[^>]+>|base64,[A-Za-z0-9+/=]+", " ", html_of(shown))
    assert not JARGON.search(words), JARGON.search(words)
    assert "groups of cells that look alike" in words
    assert "k-means" in html_of([b for e in test.expander for b in e.get("html")])


def test_groups_carry_the_names_that_were_given_and_those_set_aside_are_gone(run):
    stores.write_json(
        RunFolder(run.run_id).path / "annotations.json",
        {
            "version": 1,
            "revision": 1,
            "clusters": {
                "clusters_kmeans_k2_s0": {
                    "0": {"name": "Round cells", "colour": "#112233", "note": "healthy"},
                    "1": {"excluded": True},
                }
            },
            "tags": [],
        },
    )
    cells = shown_cells(run, 2)
    assert [(g.name, g.colour, g.note, g.share) for g in cells.groups] == [("Round cells", "#112233", "healthy", 1.0)]
    assert "Round cells" in html_of(page().get("html"))


def test_compounds_and_doses_narrow_the_cells_but_keep_the_untreated(run):
    cells = shown_cells(run, 2, compounds=["idle"], doses=(0.1, 3.0))
    kept = run.table[cells.kept]
    assert set(kept["compound"]) == {"DMSO", "idle"}
    assert kept.loc[kept["compound"] == "idle", "dose"].min() == 0.1
    assert sum(len(g.rows) for g in cells.groups) == len(kept)


def test_the_most_typical_cells_come_first(run):
    cells = shown_cells(run, 2)
    for group in cells.groups:
        away = np.linalg.norm(run.x[group.rows] - clusters_of(run, 2).centroids[group.number], axis=1)
        assert np.all(np.diff(away) >= 0)


def test_the_active_compound_has_an_ec50_and_the_idle_one_has_none(run):
    cells = shown_cells(run, 2)
    flat = max(cells.groups, key=lambda g: (run.table["kind"].iloc[g.rows] == "flat").mean())
    _, summary, curve = dose_of(cells, "active", flat)
    assert isinstance(curve, DoseCurve)
    assert curve.ec50_low < 0.2 < curve.ec50_high
    assert summary["dose"].min() == 0.0
    assert isinstance(dose_of(cells, "idle", flat)[2], str)


def test_the_dose_figure_opens_with_the_group_that_changes_most_and_says_why(run):
    cells = shown_cells(run, 2)
    first = most_changed(cells)
    assert (first.compound, first.group) == ("active", cells.groups[first.group].number)
    words = dose_words(cells, cells.groups[first.group], first)
    at = (cells.compounds == "active") & (cells.doses == first.dose)
    share = np.mean(cells.ids[at] == first.group)
    assert f"changes most under <b>active</b>: from {percent(round(first.untreated, 2))}" in words
    assert f"to {percent(round(share, 2))} at {first.dose:g} µM ({at.sum()} cells)" in words
    test = page(run=run.run_id)
    assert test.selectbox(key="choose-dose-group").value == "most"
    assert words in html_of(test.get("html"))
    other = test.selectbox(key="choose-dose-group").select(str(1 - first.group)).run()
    assert f"<b>Group {2 - first.group}</b> changes most under <b>active</b>" in html_of(other.get("html"))
    assert "Of all groups" not in html_of(other.get("html")) or first.least == 0


def test_a_second_dose_model_is_offered_and_drawn(run, monkeypatch):
    assert "choose-dose-model" not in [box.key for box in page(run=run.run_id).selectbox]
    straight = dataclasses.replace(
        doses.DOSE_MODELS["hill"], name="one-site", title="one-site curve", rise=_one_site, shape={}
    )
    monkeypatch.setitem(doses.DOSE_MODELS, "one-site", straight)
    test = page(run=run.run_id)
    assert test.selectbox(key="choose-dose-model").value == "hill"
    test = test.selectbox(key="choose-dose-model").select("one-site").run()
    assert not test.exception
    assert "one-site" in test.query_params["dose-model"]
    cells = shown_cells(run, 2)
    flat = max(cells.groups, key=lambda g: (run.table["kind"].iloc[g.rows] == "flat").mean())
    shares, _, curve = dose_of(cells, "active", flat, "one-site")
    assert "one-site curve" in doses.dose_caption(cells, "active", flat, shares, curve)


def _one_site(ratio):
    return ratio / (1 + ratio)


def test_where_no_dose_changes_anything_that_is_said(run):
    cells = shown_cells(run, 2, compounds=["idle"])
    assert most_changed(cells) is None
    assert "No group becomes clearly more or less frequent with the dose" in dose_words(cells, cells.groups[0], None)
    assert more_under(cells, cells.groups[0]) == ("No clear difference between any compound and untreated cells.")


def test_two_dose_ranges_with_as_many_cells_each_have_their_own_sentence(run):
    whole = shown_cells(run, 2, compounds=["active"])
    by_dose = np.argsort(np.where(whole.compounds == "active", whole.doses, np.nan), kind="stable")
    by_dose = by_dose[: int((whole.compounds == "active").sum())]
    one, other = (
        dataclasses.replace(whole, kept=whole.control | np.isin(np.arange(len(whole.ids)), own))
        for own in (by_dose[:12], by_dose[-12:])
    )
    assert one.kept.sum() == other.kept.sum()
    for cells in (one, other, one):
        first = changes_of(cells, each_dose=False)[0]
        own = cells.kept & (cells.compounds == first.compound)
        assert first.share == pytest.approx(np.mean(cells.ids[own] == first.group))


def test_the_lead_says_which_cells_these_are_and_the_stains_their_colours(run):
    cells = shown_cells(run, 2)
    words = lead(cells)
    assert words.startswith(f"{len(cells.ids)} cells of <b>kit</b> under active and idle or untreated, sorted by")
    assert "did not learn from any" in words
    dots = stains(cells, Look(("DNA", "tubulin")))
    assert "DNA" in dots
    assert "actin" not in dots
    assert stains(cells, Look(("DNA",))) == ""
    flat = max(cells.groups, key=lambda g: float(np.mean(cells.compounds[g.rows] == "active")))
    assert "More frequent under active" in more_under(cells, flat)


def test_the_address_holds_every_choice():
    make_screen_run()
    test = page(groups="3", compounds="active", colours=SAFE, cells="8", stains=["DNA", "tubulin"], well="B03")
    assert test.selectbox(key="choose-groups").value == "3"
    assert test.multiselect(key="show-compounds").value == ["active"]
    assert test.multiselect(key="show-stains").value == ["DNA", "tubulin"]
    text = html_of(test.get("html"))
    assert "into 3 groups" in text
    assert "actin" not in re.sub(r"base64,[^)]+", "", text.split("Brightness")[1].split("percentiles")[0])
    assert "active, 0.01 µM" in text  # the well of the address is shown


def test_a_scale_bar_stands_only_where_the_pixel_size_is_known():
    look = Look(("DNA", "actin", "tubulin"))
    known, unknown = make_screen("known"), make_screen("unknown", pixel_um=None)
    assert "5 µm" in pictures.wall(known, [0, 1], look, ["a", "b"])
    assert "µm" not in pictures.wall(unknown, [0, 1], look, ["a", "b"])
    assert [pictures.bar_um(w) for w in (10, 62, 200)] == [2, 20, 50]


def test_contrast_is_the_same_in_all_pictures_and_channels_can_be_off():
    made = make_screen("kit", channels=5, dtype="uint16")
    look = Look(("actin",), low=0.0, high=100.0)
    rgb = pictures.rgb_of(made, [0, 1, 2], look)
    alone = pictures.rgb_of(made, [1], look)
    assert np.array_equal(rgb[1:2], alone), "a picture does not depend on those beside it"
    limits = pictures.limits_of(made, look)
    assert limits[:, 0].min() >= made.pixels.min()
    assert "actin" in pictures.limits_words(made, look)
    assert "DNA" not in pictures.limits_words(made, look)
    safe = pictures.rgb_of(made, [0], Look(("DNA", "mito"), colours=SAFE))
    assert safe.max() > 50


def test_galleries_can_be_downloaded_as_png_with_the_bar_burnt_in():
    look = Look(("DNA",))
    with_bar = Image.open(io.BytesIO(pictures.gallery_png(make_screen("known"), [0, 1], look)))
    without = Image.open(io.BytesIO(pictures.gallery_png(make_screen("unknown", pixel_um=None), [0, 1], look)))
    assert with_bar.size == without.size
    assert (np.asarray(with_bar) == 255).all(-1).sum() > (np.asarray(without) == 255).all(-1).sum()


def test_the_table_has_every_cell_with_its_group(run):
    cells = shown_cells(run, 2, compounds=["active"])
    table = table_of(cells)
    assert len(table) == len(run.ids)
    assert {"image_id", "compound", "dose", "plate", "well", "group"} <= set(table.columns)
    assert set(table["group"]) == {"Group 1", "Group 2"}
    assert pd.read_csv(io.StringIO(table.to_csv(index=False))).shape == table.shape


def test_the_methods_are_those_of_the_spec(run):
    text, sources = paragraph(RunFolder(run.run_id), 2)
    for words in (
        "864 crops of 20 × 20 px (26 × 26 µm)",
        "DNA, actin, tubulin",
        "SimCLR",
        "2 epochs",
        "2 groups",
        run.run_id,
    ):
        assert words in text, words
    assert any("arXiv:2002.05709" in source for source in sources)


def test_images_that_know_no_compound_are_shown_all_the_same():
    make_imageset(100, classes=3)
    make_run(n=20)
    text = html_of(page().get("html"))
    assert "groups of images that look alike" in text
    assert "What does the dose do?" not in text
    assert "Two compounds" not in text
    assert store.is_ready("kit")
