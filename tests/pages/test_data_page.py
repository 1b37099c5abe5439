"""The Data page: what is there, what can be made, bringing images in, and taking them away."""

import io
import zipfile

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.data import facts, importing, understood
from ssrl_core import stores
from ssrl_core.datasets import store
from ssrl_core.datasets.creation import Metadata
from ssrl_core.datasets.importing import understand
from ssrl_core.datasets.made import fetching
from ssrl_core.datasets.pictures import changed
from ssrl_core.errors import DataError
from tests.datasets.files import class_folders, picture, png_bytes, save, zipped
from tests.kit import ROOT, make_imageset


@pytest.fixture
def page(monkeypatch):
    """Opens the Data page on an image set."""

    def refuse(request, timeout):
        raise fetching.urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(fetching.urllib.request, "urlopen", refuse)

    def opened(dataset: str, **query: str) -> AppTest:
        test = AppTest.from_file(str(ROOT / "pages" / "1_Data.py"), default_timeout=60)
        for name, value in {"dataset": dataset, **query}.items():
            test.query_params[name] = value
        test.run()
        assert not test.exception
        return test

    return opened


def text_of(test: AppTest) -> str:
    return " ".join(str(block.proto.body) for block in test.get("html"))


def click(test: AppTest, key: str) -> AppTest:
    test.button(key=key).click().run()
    assert not test.exception
    return test


def test_the_page_shows_samples_counts_split_and_classes(page):
    make_imageset(60)
    text = text_of(page("kit"))
    assert "data:image/png;base64," in text
    assert "60 of 60 images" in text
    assert "3 classes" in text
    for words in ("<b>42</b> train", "<b>6</b> val", "<b>12</b> test"):
        assert words in text
    assert "class 2" in text


def test_shuffle_shows_other_images_and_a_class_shows_only_its_own(page):
    pixels = np.random.default_rng(0).integers(0, 256, (600, 1, 8, 8), dtype=np.uint8)
    store.create("many", pixels, pd.DataFrame({"kind": [f"k{i % 3}" for i in range(600)]}), Metadata(label="kind"))
    test = page("many")
    before = text_of(test)
    assert text_of(click(test, "data-shuffle")) != before
    one = text_of(page("many", pick="1"))
    assert "· k1 ·" in one
    assert "· k0 ·" not in one
    assert "vl-by-class" in text_of(page("many", pick="classes"))
    assert "· test" in text_of(page("many", split="test"))
    assert "· train" not in text_of(page("many", split="test"))


def test_channels_are_named_and_can_be_seen_one_by_one(page):
    make_imageset(30, c=4, dtype="uint16")
    text = text_of(page("kit"))
    assert "channel-4" in text
    assert "16 bit" in text
    assert text_of(page("kit", channel="channel-2")) != text


def test_names_and_colours_of_channels_are_changed_on_the_page(page):
    make_imageset(12, c=2, side=8)
    test = page("kit")
    before = text_of(test)
    test.text_input(key="data-channel-kit-0-name").set_value("Hoechst")
    test.color_picker(key="data-channel-kit-0-colour").set_value("#00aaff")
    test.number_input(key="data-channel-kit-1-full").set_value(50.0)
    click(test, "FormSubmitter:data-channels-form-kit-Save")
    assert [(c.name, c.colour, c.window) for c in store.load("kit").channels] == [
        ("Hoechst", "#00aaff", None),
        ("channel-2", store.load("kit").channels[1].colour, (0.0, 50.0)),
    ]
    after = text_of(test)
    assert "Hoechst" in after
    assert before.count("base64,") == after.count("base64,")
    assert before[before.index("base64,") :][:5000] != after[after.index("base64,") :][:5000]
    test.text_input(key="data-channel-kit-0-name").set_value("channel-2")
    click(test, "FormSubmitter:data-channels-form-kit-Save")
    assert "names must be different for each channel" in test.warning[0].value
    assert [e.value for e in test.error] == []
    assert store.load("kit").channels[0].name == "Hoechst"


def test_a_display_window_below_zero_is_shown_and_kept(page):
    made = make_imageset(12, c=2, side=8)
    store.set_channels("kit", changed(made.channels, windows=[(-5, 100), None], where="t"))
    test = page("kit")
    assert test.number_input(key="data-channel-kit-0-black").value == -5
    test.number_input(key="data-channel-kit-1-black").set_value(-2.5)
    click(test, "FormSubmitter:data-channels-form-kit-Save")
    assert [c.window for c in store.load("kit").channels] == [(-5, 100), (-2.5, float(made.max_value))]


@pytest.mark.parametrize(("n", "classes"), [(1, 1), (2, 1), (2, 0), (5, 1)])
def test_small_and_unlabelled_sets_open_and_say_which_split_is_empty(page, n, classes):
    make_imageset(n, classes=classes)
    text = text_of(page("kit"))
    assert ("No images in" in text) == (n < 3)
    assert ("No label" in text) == (classes == 0)


def test_names_in_the_data_never_become_markup(page):
    pixels = np.zeros((4, 1, 8, 8), np.uint8)
    store.create("evil", pixels, pd.DataFrame({"kind": ["<script>alert(1)</script>", "b"] * 2}), Metadata(label="kind"))
    text = text_of(page("evil", pick="classes"))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_a_built_in_set_is_made_with_a_button(page):
    test = page("digits")
    assert "is not here yet" in text_of(test)
    click(test, "data-make-digits")
    assert store.is_ready("digits")
    assert "1\u202f797" in text_of(test)


def test_without_a_network_the_page_says_which_files_to_lay_where(page):
    test = click(page("mnist"), "data-make-mnist")
    said = test.warning[0].value
    assert "train-images-idx3-ubyte.gz" in said.replace("\\", "")
    assert "downloads" in said
    assert not store.is_ready("mnist")


def test_a_damaged_set_is_named_and_the_page_lives_on(page):
    made = make_imageset(12)
    (made.folder / "table.parquet").write_bytes(b"nonsense")
    test = AppTest.from_file(str(ROOT / "pages" / "1_Data.py"), default_timeout=60)
    test.query_params["dataset"] = "kit"
    test.run()
    assert not test.exception
    assert "table.parquet" in test.warning[0].value.replace("\\", "")


def test_a_zip_is_brought_in_through_the_browser(page, tmp_path):
    folder = class_folders(tmp_path / "pets", {"cat": 6, "dog": 6})
    (folder / "cat" / "text.png").write_text("I am text")
    test = form()
    upload(test, ("pets.zip", zipped(folder, tmp_path / "pets.zip").read_bytes()))
    assert test.text_input(key="data-name").value == "pets"
    click(test, "data-import-now")
    made = store.load("pets")
    assert made.classes == ("cat", "dog")
    assert made.skipped[0]["file"] == "pets/cat/text.png"
    assert test.query_params["dataset"] in ("pets", ["pets"])
    assert "Skipped" in text_of(page("pets"))
    assert not list(stores.data_root().glob(".upload-*"))


def test_several_images_and_a_table_come_in_together():
    table = "file,kind\na.png,x\nb.png,y\n"
    test = form()
    upload(
        test,
        ("a.png", png_bytes(picture())),
        ("b.png", png_bytes(picture(20, 20))),
        ("table.csv", table.encode()),
    )
    test.selectbox(key="data-label").select("kind")
    test.text_input(key="data-name").set_value("both")
    test.number_input(key="data-size").set_value(16)
    click(test, "data-import-now")
    made = store.load("both")
    assert made.classes == ("x", "y")
    assert made.shape == (3, 16, 16)


def test_a_dangerous_zip_is_refused_before_anything_is_written():
    evil = io.BytesIO()
    with zipfile.ZipFile(evil, "w") as archive:
        archive.writestr("../out.png", png_bytes(picture()))
    test = form()
    upload(test, ("evil.zip", evil.getvalue()))
    assert "inside it" in test.warning[0].value
    assert test.button(key="data-import-now").disabled


def test_a_taken_name_is_said_in_the_dialog():
    make_imageset(12)
    test = form()
    upload(test, ("a.png", png_bytes(picture())))
    test.text_input(key="data-name").set_value("kit")
    click(test, "data-import-now")
    assert "not taken" in test.warning[0].value
    assert store.load("kit").count == 12


def test_a_set_is_deleted_after_it_is_asked_again(page):
    make_imageset(12)
    test = click(page("kit"), "data-delete-kit-now")
    assert not store.is_ready("kit")
    assert test.query_params["dataset"] in ("strokes", ["strokes"])
    assert "not here yet" in text_of(test)


def test_suggested_names_are_free():
    assert importing.free_name("My Cells") == "my-cells"
    store.create("my-cells", np.zeros((1, 1, 4, 4), np.uint8), pd.DataFrame(index=range(1)))
    assert importing.free_name("My Cells") == "my-cells-2"


def test_columns_that_may_be_the_label_are_understood_before_an_import(tmp_path):
    def columns(path):
        return [name for name in understand(path).column_names if name != "split"]

    np.savez(tmp_path / "x.npz", x=np.zeros((4, 6, 6), np.uint8), y=np.arange(4), plate=np.arange(4), odd=np.arange(3))
    assert columns(tmp_path / "x.npz") == ["plate", "label"]
    (tmp_path / "t.csv").write_text("file,kind,dose\na.png,x,1\n")
    (tmp_path / "a.png").write_bytes(png_bytes(picture()))
    assert columns(tmp_path / "t.csv") == ["kind", "dose"]
    folder = class_folders(tmp_path / "set", {"cat": 1, "dog": 1})
    assert columns(zipped(folder, tmp_path / "set.zip")) == ["label"]
    assert columns(tmp_path / "a.png") == []
    for name in ("x.npz", "x.zip"):
        (tmp_path / name).write_text("text")
        with pytest.raises(DataError, match=name):
            columns(tmp_path / name)


def test_counts_of_classes_add_up_to_the_split():
    made = make_imageset(60)
    counts = facts.class_counts(made)
    assert counts.sum(axis=0).tolist() == list(made.split_counts.values())
    assert understood.number(1_234_567) == "1\u202f234\u202f567"


def test_cells_are_shown_small_images_large_and_large_ones_small():
    for side, shown in ((8, 56), (28, 56), (32, 64), (68, 68), (500, 144)):
        made = make_imageset(3, side=side, name=f"s{side}")
        assert understood.cell_size(made) == (shown, shown)


def form() -> AppTest:
    """What the import dialog holds; AppTest knows no dialogs that rerun by themselves."""

    def script():
        from pages.ui.data import importing

        importing.form()

    return AppTest.from_function(script, default_timeout=60).run()


def upload(test: AppTest, *files: tuple[str, bytes]) -> None:
    test.file_uploader(key="data-files").set_value([(name, data, "application/octet-stream") for name, data in files])
    test.run()
    assert not test.exception


def test_what_is_understood_is_shown_in_pictures_and_every_guess_can_be_said_otherwise(tmp_path):
    for split in ("train", "test"):
        for kind in ("café", "nuit"):
            for i in range(4):
                save(tmp_path / "set" / split / kind / f"{i}.png", picture(20, 30 if i else 20, seed=i))
    (tmp_path / "set" / "notes.docx").write_text("mine")
    test = form()
    test.text_input(key="data-path").set_value(str(tmp_path / "set")).run()
    text = text_of(test)
    assert "16 images, 2 classes, 224 × 224 px, 3 channels. Split: 8 train, 8 test." in text
    assert "<b>café</b><small>4 train · 4 test</small>" in text
    assert text.count("data:image/png;base64,") == 2 + 4 + 2 * 4  # classes, channels, four images before and after
    assert "what lies in the frame is kept" in text
    assert "not an image file" in text
    assert "notes.docx" in text
    test.selectbox(key="data-class-level").select(1).run()
    assert "2 classes" in text_of(test)
    assert "<b>test</b>" in text_of(test)
    test.selectbox(key="data-class-level").select("as found").run()
    test.number_input(key="data-size").set_value(16).run()
    test.selectbox(key="data-fit").select("pad").run()
    assert "16 × 16 px" in text_of(test)
    assert "the rest is black" in text_of(test)
    test.text_input(key="data-channels").set_value("a, b").run()
    assert "one for each channel" in test.warning[0].value
    assert test.button(key="data-import-now").disabled
    test.text_input(key="data-channels").set_value("a, b, c").run()
    click(test, "data-import-now")
    made = store.load("set")
    assert made.shape == (3, 16, 16)
    assert [channel.name for channel in made.channels] == ["a", "b", "c"]
    assert made.meta["understood"]["counts"] == {kind: {"train": 4, "test": 4} for kind in ("café", "nuit")}
