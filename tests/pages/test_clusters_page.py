"""The Clusters page: opens on every kind of run, and what is selected is what is shown."""

import io

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.clusters import scores as files
from pages.ui.clusters.scores import Choice
from pages.ui.map import evaluated as cluster_names
from pages.ui.map import panel, selection
from pages.ui.map import payload as colours
from pages.ui.map.evaluated import clustered, open_run, scores_of
from pages.ui.map.files import as_csv, as_parquet, image_table
from pages.ui.map.payload import MapPayload, colour_by
from pages.ui.map.selection import Selected
from ssrl_core import stores
from ssrl_core.analysis.clusters import distances_to_own
from ssrl_core.datasets.cells.in_field import in_field
from ssrl_core.runs.folder import annotations
from tests.kit import make_imageset, make_run
from tests.paging import opened, text_of
from tests.screen_kit import make_screen_run


def page(run=None, address=None, **session) -> AppTest:
    return opened("pages/4_Clusters.py", {"run": run, **(address or {})}, **session)


def test_without_runs_the_page_says_so_and_offers_to_train():
    found = page()
    assert "No finished runs yet." in text_of(found)
    assert not found.columns  # it stands in the middle of the page


def test_a_run_is_shown_with_its_scores_beside_their_floors():
    text = text_of(page(make_run().name))
    for words in ("0.900", "shuffled labels 0.000 ± 0.010", "raw pixels 0.100", "untrained network 0.050"):
        assert words in text
    assert "Nothing is selected." in text


def test_a_run_that_is_not_done_says_how_far_it_is():
    make_run(spec={"seed": 1})
    running = make_run(state="running", spec={"seed": 2}).name
    test = page(running)
    assert any("is running (40 %)" in info.value for info in test.info)


def test_only_a_running_run_leaves_the_page_empty():
    assert "No finished runs yet." in text_of(page(make_run(state="running").name))


def test_images_without_labels_have_clusters_and_no_ami():
    make_imageset(100, classes=0)
    folder = make_run(n=20, classes=0)
    results = stores.read_json(folder / "results.json")
    results["clusters"], results["linear"], results["knn"] = {}, None, None
    stores.write_json(folder / "results.json", results)
    text = text_of(page(folder.name))
    assert "the image set has no labels" in text
    assert "–" in text


def test_an_embedding_that_was_not_kept_is_said_and_the_page_stands():
    folder = make_run()
    (folder / "embedding.npy").unlink()
    test = page(folder.name)
    assert any("embedding.npy" in error.value.replace("\\", "") for error in test.error)


def test_images_that_are_gone_are_said_and_the_page_stands():
    from ssrl_core.datasets import store

    run = make_run().name
    store.delete("kit")
    test = page(run)
    assert test.warning or test.error


def test_the_slider_finds_other_clusters_and_keeps_them():
    folder = make_run(n=60)
    test = page(folder.name, k=5)
    assert (folder / "clusters_kmeans_k5_s0.npy").is_file()
    assert test.slider(key="k").value == 5
    assert test.query_params["k"] in ("5", ["5"])


def test_the_page_says_when_it_takes_mini_batches(monkeypatch):
    from ssrl_core.analysis import clusters

    folder = make_run(n=60)
    assert "By k-means (10 starts by k-means++), in the embedding" in text_of(page(folder.name, k=5))
    monkeypatch.setattr(clusters, "MOST_FULL", 50)
    assert "By mini-batch k-means" in text_of(page(folder.name, k=6))


def test_a_collapsed_embedding_and_one_class_are_answered():
    folder = make_run(n=30)
    np.save(folder / "embedding.npy", np.ones((30, 8), np.float32))
    text = text_of(page(folder.name, k=4))
    assert "needs at least 2 clusters" in text


def test_a_diverged_embedding_and_a_damaged_folder_are_said():
    folder = make_run(n=30)
    np.save(folder / "embedding.npy", np.full((30, 8), np.nan, np.float32))
    assert "diverged" in page(folder.name, k=4).warning[0].value
    np.save(folder / "embedding.npy", np.ones((12, 8), np.float32))
    (folder / "clusters_kmeans_k3_s0.npy").unlink()
    (folder / "results.json").unlink()
    assert "12 rows" in page(folder.name).error[0].value
    (folder / "embedding.npy").write_bytes(b"")
    assert "the file is damaged" in page(folder.name).error[0].value


def test_two_images_are_shown():
    folder = make_run(n=2)
    text = text_of(page(folder.name))
    assert "Clusters" in text


@pytest.fixture
def run():
    return open_run(make_run(n=60).name)


def test_selected_images_are_counted(run):
    chosen = run.ids[:7]
    text = text_of(page(run.run_id, **{"clusters-selected": Selected(run.images_key, chosen, "inside the outline")}))
    assert "7 images" in text
    assert "inside the outline" in text
    assert "Tick: share of all images" in text


def test_a_link_selects_what_it_names(run):
    first, last = int(run.ids[0]), int(run.ids[4])
    test = page(run.run_id, {"sel": f"{first}.{last}", "focus": str(last)})
    assert "2 images" in text_of(test)
    assert f"Image {last}" in text_of(test)
    test.button(key="selection-clear").click().run()
    assert "sel" not in test.query_params
    assert "Clear" not in [button.label for button in test.button]


def test_a_link_sets_the_method_and_its_size(run):
    test = page(run.run_id, {"method": "HDBSCAN", "least": "6"})
    assert test.select_slider(key="least").value == 6
    assert "By HDBSCAN (at least 6 images a cluster)" in text_of(test)


def test_what_is_selected_is_in_the_address(run):
    chosen = run.ids[:3]
    test = page(run.run_id, **{"clusters-selected": Selected(run.images_key, chosen, "inside the outline")})
    named = test.query_params["sel"]
    named = named if isinstance(named, str) else named[-1]
    assert named == annotations.selection_name(chosen)
    assert "3 images" in text_of(page(run.run_id, {"sel": named}))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"sel": "all"}, "sel must be"), ({"focus": "99999"}, "focus must be"), ({"focus": "²"}, "focus must be")],
)
def test_a_link_that_names_no_images_is_answered(run, wrong, said):
    test = page(run.run_id, wrong)
    assert said in test.warning[0].value
    assert "Nothing is selected." in text_of(test)


def test_an_image_in_focus_is_shown_with_what_is_known_of_it(run):
    image = int(run.ids[3])
    none = np.empty(0, np.int64)
    text = text_of(page(run.run_id, **{"clusters-selected": Selected(run.images_key, none, "", image)}))
    assert f"Image {image}" in text
    assert f"kit#{image}" in text
    assert "from its centroid" in text


def test_what_is_done_on_the_map_becomes_the_selection(run, monkeypatch):
    session: dict = {}
    monkeypatch.setattr(selection.st, "session_state", session)
    of = clustered(run, 3)
    colour = colour_by(of, "cluster")
    payload = MapPayload(run, "pca", (colour,))
    points = payload.points
    low, high = points.min(0) - 1, points.max(0) + 1
    around = [[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]]
    outline = {"kind": "lasso", "outline": around, "how": "new", "hidden": []}
    selection.on_map(payload, outline)
    np.testing.assert_array_equal(selection.selected(run.images_key).image_ids, run.ids)
    selection.on_map(payload, outline | {"hidden": [0], "kind": "box"})
    now = selection.selected(run.images_key)
    assert now.words == "inside the box"
    assert len(now.image_ids) == (of.clustering.ids != 0).sum()
    selection.on_map(payload, {"kind": "point", "row": 2})
    now = selection.selected(run.images_key)
    assert now.focus == run.ids[2]
    assert len(now.image_ids)
    assert not len(selection.selected("another run").image_ids)
    selection.on_map(payload, {"kind": "group", "group": 1, "how": "new"})
    np.testing.assert_array_equal(selection.selected(run.images_key).image_ids, run.ids[colour.codes == 1])
    selection.on_map(payload, {"kind": "group", "group": 2, "how": "add"})
    np.testing.assert_array_equal(selection.selected(run.images_key).image_ids, run.ids[colour.codes >= 1])
    selection.on_map(payload, {"kind": "clear"})
    assert not len(selection.selected(run.images_key).image_ids)


def test_a_click_on_a_strip_picks_an_image_or_a_whole_cluster(run, monkeypatch):
    monkeypatch.setattr(selection.st, "session_state", {})
    of = clustered(run, 3)
    selection.on_gallery(of, {"kind": "head", "name": "1"})
    np.testing.assert_array_equal(selection.selected(run.images_key).image_ids, run.ids[of.clustering.ids == 1])
    selection.on_gallery(of, {"kind": "image", "id": int(run.ids[0])})
    assert selection.selected(run.images_key).focus == run.ids[0]
    selection.on_gallery(of, {"kind": "image", "id": 10**6})
    assert selection.selected(run.images_key).focus == run.ids[0]


def test_scores_of_a_k_that_was_not_evaluated_are_computed(run):
    assert scores_of(run, 3)["ami"] == 0.9
    found = scores_of(run, 4)
    assert found["missing"].keys() == {"silhouette_projection"}
    assert 0 < found["ami"] <= 1


def test_the_table_has_every_image_its_cluster_and_its_places(run):
    of = clustered(run, 3)
    clustering = of.clustering
    table = pd.read_csv(io.BytesIO(as_csv(image_table(of))))
    assert table["image_id"].tolist() == run.ids.tolist()
    assert table["cluster_k3"].tolist() == clustering.ids.tolist()
    own = np.linalg.norm(run.x - clustering.centroids[clustering.ids], axis=1)
    np.testing.assert_allclose(table["distance_to_centroid"], own, atol=1e-4)
    assert {"pca_x", "pca_y", "plate", "kind", "split", "source"} <= set(table.columns)


def test_the_map_can_be_coloured_by_what_tells_images_apart(run):
    assert run.columns == ("kind", "plate")
    by_class = colour_by(clustered(run, 3), "kind")
    assert by_class.names == run.imageset.classes
    np.testing.assert_array_equal(by_class.codes, run.labels)


def test_two_hundred_classes_are_shown_in_colours_of_their_own():
    make_imageset(2100, side=8, classes=200)
    folder = make_run(n=400, classes=200)
    by_class = colour_by(clustered(open_run(folder.name), 5), "kind")
    assert len(set(by_class.colours)) == 200
    assert "Clusters" in text_of(page(folder.name, colour="kind", k=5))


def test_hdbscan_is_a_choice_and_says_what_is_in_no_cluster():
    folder = make_run(n=60, separation=20.0)
    text = text_of(page(folder.name, method="hdbscan", least=6))
    assert (folder / "clusters_hdbscan_m6.npy").is_file()
    assert "Cluster" in text


def test_hdbscan_that_finds_nothing_leaves_the_page_standing():
    folder = make_run(n=60)
    x = np.random.default_rng(0).uniform(size=(60, 8)).astype(np.float32)
    np.save(folder / "embedding.npy", x)
    np.save(folder / "clusters_hdbscan_m3.npy", np.full(60, -1, np.int32))
    test = page(folder.name, method="hdbscan", least=3)
    assert "60 images" in text_of(test)
    assert "are in no cluster" in text_of(test)


def test_an_empty_embedding_is_said():
    folder = make_run(n=60)
    np.save(folder / "embedding.npy", np.zeros((0, 8), np.float32))
    np.save(folder / "embedding_ids.npy", np.zeros(0, np.int64))
    assert page(folder.name).error


def test_a_named_cluster_is_named_everywhere(run):
    from ssrl_core.runs.folder import annotations
    from ssrl_core.runs.folder.run_folder import RunFolder

    annotations.mark(RunFolder(run.run_id), 0, "clusters_kmeans_k3_s0", 1, name="rings", excluded=True)
    of = clustered(run, 3)
    assert of.names.title(1) == "rings"
    assert of.names.excluded == [1]
    table = pd.read_csv(io.BytesIO(as_csv(image_table(of))))
    assert set(table.loc[table["cluster_k3"] == 1, "cluster_name"]) == {"rings"}
    assert table["excluded"].sum() == 20
    back = pd.read_parquet(io.BytesIO(as_parquet(image_table(of)[of.clustering.ids == 1])))
    assert len(back) == 20
    assert colour_by(of, "cluster").names == ("0", "rings", "2")


def test_a_rename_can_be_undone(run, monkeypatch):
    from ssrl_core.runs.folder import annotations
    from ssrl_core.runs.folder.run_folder import RunFolder

    monkeypatch.setattr(cluster_names.st, "session_state", {})
    cluster_names.annotate(clustered(run, 3), 0, name="first")
    cluster_names.annotate(clustered(run, 3), 0, name="second")
    assert clustered(run, 3).names.title(0) == "second"
    steps = cluster_names.st.session_state["cluster-names-undo"]
    annotations.restore(RunFolder(run.run_id), steps[-1][2], steps[-1][1])
    assert clustered(run, 3).names.title(0) == "first"
    cluster_names.annotate(clustered(run, 3), 0, name="x" * 200)
    assert "cluster-names-error" in cluster_names.st.session_state


def test_tagged_images_can_be_selected_again(run):
    from ssrl_core.runs.folder import annotations
    from ssrl_core.runs.folder.run_folder import RunFolder

    annotations.tag(RunFolder(run.run_id), 0, "odd ones", [int(i) for i in run.ids[:4]])
    test = page(run.run_id)
    button = next(b for b in test.button if b.label.startswith("odd ones"))
    assert "4 images" in text_of(button.click().run())


def test_measured_images_colour_the_map_and_tell_clusters_apart():
    from ssrl_core.datasets import store
    from ssrl_core.runs.evaluation import descriptors

    folder = make_run(n=60)
    test = page(folder.name)
    assert any(button.label == "Measure the images" for button in test.button)
    descriptors.make(store.load("kit"))
    test = page(folder.name)
    assert not any(button.label == "Measure the images" for button in test.button)
    assert {"brightness", "area"} <= set(test.selectbox(key="colour").options)


def test_the_figures_of_a_run_have_captions_that_say_what_they_show(run):
    choice, of = Choice("pca", "cluster", 3), clustered(run, 3)
    assert "found in the embedding and not on the map" in files.map_caption(of, choice)
    assert files.map_file_of(of, choice, "svg").startswith(b"<?xml")
    assert files.galleries_file(of, "pdf").startswith(b"%PDF")
    scores = {k: scores_of(run, k) for k in (3, 4)}
    assert files.scores_file(run, scores, 3, "svg").startswith(b"<?xml")


def test_a_selection_can_be_downloaded_as_figures(run):
    chosen = np.arange(60) < 7
    colour = colour_by(clustered(run, 3), "kind")
    assert panel.images_figure(run, chosen, "inside the box", "pdf").startswith(b"%PDF")
    assert panel.counts_figure(run, colour, chosen, "inside the box", "svg").startswith(b"<?xml")
    assert panel.counts_table(colour, chosen)["selected"].sum() == 7


def test_every_colour_of_the_table_is_offered_and_colours_the_map(run, monkeypatch):
    by_distance = colours.Colour(
        names=lambda run: ["distance to the centroid"],
        facet=lambda of, name: colours.Facet(name, values=distances_to_own(of.run.x, of.clustering)),
    )
    monkeypatch.setattr(colours, "COLOURS", (*colours.COLOURS, by_distance))
    test = page(run.run_id, colour="distance to the centroid")
    assert test.selectbox(key="colour").value == "distance to the centroid"
    facets = colours.hover_facets(clustered(run, 3), "distance to the centroid")
    assert [facet.title for facet in facets] == ["distance to the centroid", "kind", "cluster"]


def test_a_facet_is_known_by_what_is_in_it(run):
    of = clustered(run, 3)
    assert colour_by(of, "cluster").digest == colour_by(clustered(run, 3), "cluster").digest
    digests = {colour_by(clustered(run, k), name).digest for k in (3, 4) for name in ("cluster", "kind", "plate")}
    assert len(digests) == 4  # a class and a plate do not depend on k


def test_a_click_on_a_cell_in_its_field_opens_that_cell(monkeypatch):
    folder = make_screen_run()
    run = open_run(folder.name)
    stores.write_json(run.imageset.folder / "cells.json", {"version": 1, "settings": {"size": 20}})
    run = open_run(folder.name)
    image = int(run.ids[0])
    test = page(run.run_id, **{"clusters-selected": Selected(run.images_key, np.array([], int), "", image)})
    assert any(one.label == "In its field" for one in test.expander)
    here = in_field(run.imageset, image)
    assert here is not None
    assert here.nuclei == ()  # this set kept no outlines: circles, which the page says
    other = int(next(i for i in here.image_ids if i != image and run.row_of(int(i)) >= 0))
    absent = next((int(i) for i in here.image_ids if run.row_of(int(i)) < 0), None)
    session: dict = {}
    monkeypatch.setattr(selection.st, "session_state", session)
    selection.focus_on(run.images_key, image)
    go = panel._go(run, "field")
    for points, focus in (([], image), ([{"customdata": [other]}], other), ([{"x": 1, "y": 2}], other)):
        session["field"] = {"selection": {"points": points}}
        go()
        assert selection.selected(run.images_key).focus == focus
    if absent is not None:
        session["field"] = {"selection": {"points": [{"customdata": [absent]}]}}
        go()
        assert selection.selected(run.images_key).focus == other
