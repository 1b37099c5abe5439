"""The Compare page: two runs, one run under two k, a baseline; what is clicked in the matrix is selected."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.compare import maps
from pages.ui.compare import pair as matrix
from pages.ui.compare.maps import MOVED, OF_A, compared, facets_of
from pages.ui.compare.pair import open_pair
from pages.ui.map.selection import Selected, selected
from ssrl_core import stores
from ssrl_core.cli import main
from ssrl_core.runs.evaluation import baseline
from ssrl_core.runs.folder import annotations
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import over_seeds
from tests.kit import make_imageset, make_run
from tests.paging import opened, text_of

FLIPPED = {"name": "flipped", "steps": [{"transform": "horizontal_flip"}, {"transform": "rotation", "degrees": 20}]}


def page(first=None, second=None, **session) -> AppTest:
    return opened("pages/6_Compare.py", {"run": first, "beside": second}, **session)


@pytest.fixture
def runs():
    return (
        make_run(n=60).name,
        make_run(n=60, spec={"terms": [{"composition": FLIPPED, "weight": 1.0}], "epochs": 5}, seed=3).name,
    )


@pytest.fixture
def pair(runs):
    return open_pair(*runs, (3, 4))


def test_without_runs_the_page_says_so():
    found = page()
    assert "No finished runs yet." in text_of(found)
    assert not found.columns  # it stands in the middle of the page


def test_two_runs_are_shown_with_what_differs(runs):
    text = text_of(page(*runs))
    for words in ("AMI between their clusters", "CKA of the embeddings", "60 shared images", "Images that moved"):
        assert words in text
    assert '<p class="own">' in text
    assert "epochs 2, 5" in text
    assert {"kind", "plate"} <= set(page(*runs).selectbox(key="both").options)


def test_one_run_under_two_k_is_compared(runs):
    text = text_of(page(runs[0], "same", ka=3, kb=5))
    assert "k = 3 and 5" in text
    assert ">1.000<" in text  # the same embedding


def test_raw_pixels_are_a_side_once_they_are_made(runs):
    test = page(runs[0], "pixels")
    assert any("raw pixels" in button.label for button in test.button)
    baseline.make(RunFolder(runs[0]), "pixels")
    assert "it was not trained here" in text_of(page(runs[0], "pixels"))


def test_runs_on_other_images_are_not_offered(runs):
    make_imageset(60, name="others")
    stranger = make_run(n=10, spec={"dataset": "others"}).name
    test = page(runs[0])
    assert stranger not in test.selectbox(key="choose-beside").options


def test_a_cell_a_row_and_a_column_select_their_images(pair, monkeypatch):
    from pages.ui.map import selection

    monkeypatch.setattr(selection.st, "session_state", {})
    a, b = pair.clusters
    for event, chosen in (
        ({"kind": "cell", "row": 1, "column": 2}, (a == 1) & (b == 2)),
        ({"kind": "row", "row": 0}, a == 0),
        ({"kind": "column", "column": 3}, b == 3),
    ):
        matrix.on_matrix(pair, event)
        np.testing.assert_array_equal(selected(pair.a.run.images_key).image_ids, pair.ids[chosen])


def test_every_figure_can_be_downloaded_with_its_caption(runs, pair):
    for draw in (
        lambda kind: maps.map_file_of(pair, pair.b, OF_A, kind),
        lambda kind: maps.matrix_of(pair, kind),
        lambda kind: maps.moved_file(pair, kind),
    ):
        assert draw("svg").startswith(b"<?xml")
    table = maps.contingency_table(pair)
    assert table.shape == (3, 5)
    assert table.drop(columns="cluster").to_numpy().sum() == 60


def test_matched_clusters_lie_on_the_diagonal():
    table = np.array([[0, 9, 1], [8, 0, 0], [1, 1, 7]])
    order = matrix.column_order(table)
    assert np.trace(table[:, order]) == 24


def test_the_matrix_has_every_cluster_even_an_empty_one(pair):
    assert matrix.contingency_of(pair).shape == (3, 4)
    assert matrix.contingency_of(pair).sum() == 60


def test_clusters_of_one_side_colour_the_other(pair):
    first = facets_of(pair, pair.b, OF_A)[0]
    np.testing.assert_array_equal(first.codes[pair.rows_b], pair.clusters[0])
    assert facets_of(pair, pair.b, MOVED)[0].names == ("stayed", "moved")


def test_the_numbers_are_those_of_the_shared_images(pair):
    found = compared(pair)
    assert found["n"] == 60
    assert 0 <= found["neighbour_overlap"] <= 1
    assert np.sum(found["contingency"]) == 60


def test_names_given_in_one_run_are_there_in_the_other(runs):
    first = RunFolder(runs[0])
    annotations.mark(first, 0, "clusters_kmeans_k3_s0", 0, name="diagonals")
    pair = open_pair(*runs, (3, 3))
    assert pair.a.names.title(0) == "diagonals"
    assert "diagonals" in [pair.b.names.title(c) for c in range(3)]


def test_differences_of_two_specs_are_listed(runs):
    first, second = (RunFolder(run).spec() for run in runs)
    assert maps.differences(first, second) == ["epochs 2, 5"]


def test_a_selection_is_seen_from_both_sides(runs, pair):
    chosen = Selected(pair.a.run.images_key, pair.ids[:5], "inside the outline")
    text = text_of(page(*runs, **{"clusters-selected": chosen}))
    assert "Clusters of A that they are in" in text
    assert "Clusters of B that they are in" in text


def test_seeds_give_mean_and_sd_once_their_job_has_compared_them():
    first, second, _ = (make_run(n=60, spec={"seed": s}, seed=s).name for s in (1, 2, 3))
    test = page(first, second, ka=3, kb=3)
    assert not test.dataframe
    assert "Compare 3 pairs of seeds" in [button.label for button in test.button]
    asked = over_seeds.ask(RunFolder(first), RunFolder(second), 3, 3)
    stores.write_json(asked.pairs[0].path, over_seeds._compared(asked.pairs[0], over_seeds._side))
    test = page(first, second, ka=3, kb=3)
    assert test.dataframe[0].value["pairs"].tolist() == ["1 of 3"]
    assert main(["compare", first, second, "-k", "3", "--over-seeds"]) == 0
    test = page(first, second, ka=3, kb=3)
    table = test.dataframe[0].value
    assert table["what"].tolist() == ["two seeds of A"]
    assert table["pairs"].tolist() == ["3"]
    assert "±" in table["CKA"][0]
    assert not [button for button in test.button if "pairs of seeds" in button.label]


def test_the_second_map_is_laid_like_the_first_by_one_press(runs, monkeypatch):
    started = []
    monkeypatch.setattr("ssrl_core.runs.jobs.start", lambda name, words: started.append(words))
    for run in runs:
        assert main(["layout", run, "--method", "tsne"]) == 0
    page(*runs, maps="tsne").button(key=f"job-layout-tsne-{runs[1]}-like-{runs[0]}").click().run()
    assert started == [["layout", runs[1], "--method", "tsne", "--like", runs[0]]]
    assert main(started[0]) == 0
    test = page(*runs, maps="tsne")
    assert "t-SNE, begun from that of A" in text_of(test)
    assert "begun from that of A" not in text_of(test.toggle(key="alike").set_value(False).run())
    alike, own = (open_pair(*runs, (3, 4), "tsne", alike=alike) for alike in (True, False))
    assert alike.a.layout == own.b.layout == "tsne"
    assert alike.b.layout == f"tsne {runs[0]}"
    assert not np.array_equal(alike.b.run.layouts[alike.b.layout][0], own.b.run.layouts["tsne"][0])
    assert main(["layout", runs[0], "--method", "tsne", "--seed", "3"]) == 0  # A has another map now
    assert "begun from that of A" not in text_of(page(*runs, maps="tsne"))


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.full((60, 8), np.nan, np.float32), "diverged"),
        (np.zeros((0, 8), np.float32), "embedding"),
        (np.ones((12, 8), np.float32), "12 rows"),
    ],
)
def test_a_side_that_cannot_be_looked_at_is_said(runs, x, said):
    folder = RunFolder(runs[1]).path
    np.save(folder / "embedding.npy", x)
    (folder / "clusters_kmeans_k3_s0.npy").unlink()
    test = page(*runs)
    assert any(said in box.value for box in [*test.warning, *test.error])


def test_a_collapsed_side_is_compared():
    first, second = make_run(n=60).name, make_run(n=60, spec={"seed": 9}, seed=9)
    np.save(second / "embedding.npy", np.ones((60, 8), np.float32))
    text = text_of(page(first, second.name, ka=4, kb=4))
    assert "CKA of the embeddings" in text
    assert "60 shared images" in text


def test_a_link_selects_on_both_maps(runs, pair):
    ids = pair.ids[:3]
    link = {"run": runs[0], "beside": runs[1], "sel": ".".join(str(i) for i in ids)}
    test = opened("pages/6_Compare.py", link)
    assert "3 images" in text_of(test)
    assert "Clusters of B that they are in" in text_of(test)


def test_what_one_separates_and_the_other_does_not_is_shown_and_selected(runs, monkeypatch):
    from pages.ui.map import selection

    text = text_of(page(runs[0], "same", ka=3, kb=6))
    assert "B separates what A puts together." in text
    pair = open_pair(runs[0], "same", (3, 6))
    monkeypatch.setattr(selection.st, "session_state", {})
    a, b = pair.clusters
    part = int(np.bincount(b[a == 0]).argmax())
    matrix._picked(pair, pair.b, {"kind": "head", "name": f"0:{part}"})
    chosen = selected(pair.a.run.images_key)
    np.testing.assert_array_equal(chosen.image_ids, pair.ids[(a == 0) & (b == part)])
