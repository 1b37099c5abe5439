"""Cutting cells out of fields in the browser: found, looked at, cut, and what was dropped shown."""

import io
import os
import zipfile

import numpy as np
import pandas as pd
import pytest
import tifffile
from streamlit.testing.v1 import AppTest

from pages.ui.data.cells import overlay_html
from ssrl_core import stores
from ssrl_core.datasets import store
from ssrl_core.datasets.made.simulation.crops import Camera, FieldSettings, write_fields
from tests import paging
from tests.datasets.cells.test_packed_fields import plate
from tests.datasets.files import zipped
from tests.kit import ROOT


def _form() -> None:
    from pages.ui.data import cells

    cells.form()


@pytest.fixture
def fields(tmp_path):
    return write_fields(tmp_path / "in", 2, FieldSettings(shape=(200, 240), camera=Camera(pixel_um=0.65)))


def opened(**keys) -> AppTest:
    return paging.drawn(_form, **keys)


def text_of(test: AppTest) -> str:
    return " ".join(str(block.proto.body) for block in test.get("html"))


def test_fields_are_found_and_their_nuclei_outlined(fields):
    test = opened(**{"cells-path": str(fields), "cells-size": 40})
    text = text_of(test)
    assert "2 fields, channels DNA, actin, tubulin" in text
    assert "with the outlines of its nuclei" in text
    assert "cells kept; dropped:" in text
    fewer = text_of(test.selectbox(key="cells-nuclei").select("tubulin").run())
    assert fewer != text


def test_settings_are_live(fields):
    test = opened(**{"cells-path": str(fields), "cells-size": 40})
    before = text_of(test)
    all_kept = text_of(test.checkbox(key="cells-border").check().run())
    assert "border" in before.split("dropped:")[1].split("<")[0]
    assert "border" not in all_kept.split("cells kept")[1].split("<")[0]


def test_what_would_come_follows_the_table(fields):
    """A table that was corrected while its images stayed is looked at anew."""
    keys = {"cells-path": str(fields), "cells-size": 40}
    assert "corrected name" not in text_of(opened(**keys))
    table = pd.read_csv(fields)
    table.assign(compound="corrected name").to_csv(fields, index=False)
    os.utime(fields, (1, 1))
    assert "corrected name" in text_of(opened(**keys))


def test_cells_are_cut_and_what_was_dropped_is_shown(fields):
    test = opened(**{"cells-path": str(fields), "cells-size": 40, "cells-name": "mine"})
    test.button(key="cells-now").click().run()
    made = store.load("mine")
    assert made.shape == (3, 40, 40)
    assert made.label == "compound"
    page = AppTest.from_file(str(ROOT / "pages" / "1_Data.py"), default_timeout=60)
    page.query_params["dataset"] = "mine"
    page.run()
    assert not page.exception
    assert any("Cut out of 2 fields" in e.label for e in page.expander)
    assert "the crop would leave" not in text_of(page)
    assert "<b>border</b>" in text_of(page)


def upload(test: AppTest, *files: tuple[str, bytes]) -> AppTest:
    sent = [(name, data, "application/octet-stream") for name, data in files]
    test.file_uploader(key="cells-files").set_value(sent).run()
    assert not test.exception
    return test


def test_a_zipped_plate_and_ome_tiffs_are_uploaded(tmp_path):
    whole = zipped(plate(tmp_path / "p7.zarr"), tmp_path / "plate.zip").read_bytes()
    test = upload(opened(**{"cells-size": 40, "cells-name": "sent"}), ("plate.zip", whole))
    assert "2 fields, channels DNA, actin, tubulin" in text_of(test)
    test.button(key="cells-now").click().run()
    made = store.load("sent")
    assert set(made.table["well"]) == {"B03", "C11"}
    assert made.table["source"].str.startswith("p7.zarr/").all()
    path = tmp_path / "a.ome.tif"
    meta = {"axes": "CYX", "Channel": {"Name": ["Hoechst", "ER"]}}
    tifffile.imwrite(path, np.ones((2, 60, 60), np.uint16), ome=True, photometric="minisblack", metadata=meta)
    sent = (("a.ome.tif", path.read_bytes()), ("b.ome.tif", path.read_bytes()))
    assert "2 fields, channels Hoechst, ER" in text_of(upload(opened(), *sent))


def test_a_zip_that_may_not_be_unpacked_is_refused_in_the_dialog(tmp_path):
    evil = io.BytesIO()
    with zipfile.ZipFile(evil, "w") as opened_zip:
        opened_zip.writestr("../outside.zarr/.zattrs", "{}")
    test = upload(opened(), ("evil.zip", evil.getvalue()))
    assert "a path in the archive must be inside it" in test.warning[0].value + "".join(e.value for e in test.error)
    assert not list(stores.data_root().parent.rglob("outside.zarr"))


def test_a_wrong_path_and_a_damaged_field_are_said(tmp_path):
    assert any("no such file" in w.value for w in opened(**{"cells-path": str(tmp_path / "nothing")}).warning)
    (tmp_path / "bad").mkdir()
    tifffile.imwrite(tmp_path / "bad" / "a.tif", np.zeros((60, 60), np.uint8))
    (tmp_path / "bad" / "b.tif").write_bytes(b"II*\0nothing")
    test = opened(**{"cells-path": str(tmp_path / "bad"), "cells-name": "none"})
    assert "1 field," in text_of(test)
    assert any("Skipped" in e.label for e in test.expander)
    test.button(key="cells-now").click().run()
    assert any("not one cell was found" in w.value for w in test.warning)
    assert not store.is_ready("none")


def test_kept_and_dropped_nuclei_have_lines_of_their_own():
    labels = np.zeros((40, 40), np.int32)
    labels[5:15, 5:15], labels[22:32, 22:32] = 1, 2
    both = overlay_html(np.arange(1600.0).reshape(40, 40), labels, {1, 2})
    one = overlay_html(np.arange(1600.0).reshape(40, 40), labels, {1})
    assert both != one


def test_a_second_import_from_a_zip_sees_its_fields_again(tmp_path):
    archive = str(zipped(plate(tmp_path / "p7.zarr"), tmp_path / "plate.zip"))
    test = opened(**{"cells-path": archive, "cells-size": 40, "cells-name": "first"})
    test.button(key="cells-now").click().run()
    assert store.is_ready("first")
    again = opened(**{"cells-path": archive, "cells-size": 40, "cells-name": "second"})
    assert not again.warning
    assert "with the outlines of its nuclei" in text_of(again)
    again.button(key="cells-now").click().run()
    assert store.load("second").count == store.load("first").count


def test_an_unknown_naming_is_refused_and_a_pattern_is_tried_live(tmp_path):
    folder = tmp_path / "odd"
    folder.mkdir()
    for site in (1, 2):
        for name in ("probeA", "probeB"):
            tifffile.imwrite(folder / f"{site}_{name}.tif", np.full((64, 64), 9, np.uint16))
    test = opened(**{"cells-path": str(folder)})
    assert "probeA, probeB" in test.warning[0].value
    test.text_input(key="cells-pattern").set_value("{site}_{channel}.tif").run()
    assert not test.exception
    rows = test.dataframe[0].value
    assert rows["channel"].tolist() == ["probeA", "probeB"] * 2
    assert "channels probeA, probeB" in text_of(test)
    test.text_input(key="cells-pattern").set_value("{sort}.tif").run()
    assert "--pattern" in test.warning[0].value
