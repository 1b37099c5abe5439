"""Part of a screen taken in the browser: the form says what a choice comes to, and makes it."""

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from ssrl_core.datasets import store
from ssrl_core.datasets.creation import Metadata, create
from ssrl_core.datasets.subsets import counted, fitting_presets
from tests import paging
from tests.kit import ROOT, make_imageset
from tests.screen_kit import make_screen


def _form() -> None:
    from pages.ui.data import derived

    derived.part_form("kit")


def opened(**keys) -> AppTest:
    return paging.drawn(_form, **keys)


def page(name) -> AppTest:
    test = AppTest.from_file(str(ROOT / "pages" / "1_Data.py"), default_timeout=60)
    test.query_params["dataset"] = name
    test.run()
    assert not test.exception
    return test


def of_paper(plates=("p", "q"), control=True):
    """400 cells of two of the paper's compounds at eight doses, and untreated ones on other plates if asked."""
    doses = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30]
    rows = [
        {"compound": c, "dose": d, "plate": plates[i % 2], "well": f"B{j + 2:02d}"}
        for c in ("sim-nocodazole", "sim-taxol")
        for j, d in enumerate(doses)
        for i in range(20)
    ]
    rows += [{"compound": "DMSO", "dose": 0.0, "plate": plates[i % 2], "well": "C02"} for i in range(80 * control)]
    table = pd.DataFrame(rows)
    return create("kit", np.zeros((len(table), 1, 8, 8), np.uint8), table, Metadata(label="compound"))


def test_only_screens_offer_it():
    make_screen("screen")
    make_imageset(20)
    assert any(b.key == "data-part" for b in page("screen").button)
    assert not any(b.key == "data-part" for b in page("kit").button)


def test_what_a_choice_comes_to_is_seen_before_it_is_made():
    make_screen()
    test = opened(**{"part-compounds": ["active"], "part-doses": "the highest", "part-highest": 2, "part-cells": 60})
    shown = test.dataframe[0].value
    assert shown[["compound", "cells", "doses", "plates"]].to_dict("records") == [
        {"compound": "active", "cells": 60, "doses": "1, 3", "plates": 3},
        {"compound": "DMSO", "cells": 60, "doses": "", "plates": 3},
    ]
    assert not test.warning
    test.number_input(key="part-cells").set_value(1000).run()
    assert [w.value for w in test.warning] == ["Only 120 of 1,000 active cells are there."]
    assert test.dataframe[0].value["cells"].tolist() == [120, 120]
    test.selectbox(key="part-doses").select("all").run()
    assert [w.value for w in test.warning] == [
        "Only 360 of 1,000 active cells are there.",
        "Only 144 of 1,000 untreated cells are there.",
    ]


def test_it_is_made_with_its_split_and_shown():
    make_screen()
    test = opened(**{"part-compounds": ["active"], "part-cells": 60, "part-group": "well", "part-name": "mine"})
    assert "several splits" not in " ".join(str(b.proto.body) for b in test.get("html"))
    test.button(key="part-now").click().run()
    made = store.load("mine")
    assert made.table["compound"].value_counts().to_dict() == {"active": 60, "DMSO": 60}
    assert (made.table.groupby("well")["split"].nunique() == 1).all()
    assert made.label == "compound"
    assert page("mine").selectbox(key="choose-dataset").value == "mine"


def test_a_preset_of_the_paper_fills_the_fields_in():
    made = of_paper()
    assert set(fitting_presets(made.table)) == {"nocodazole", "taxol", "nocodazole-every-dose"}
    test = opened()
    assert "cytochalasin-b" not in test.selectbox(key="part-preset").options
    test.selectbox(key="part-preset").select("taxol").run()
    assert test.multiselect(key="part-compounds").value == ["sim-taxol"]
    assert test.number_input(key="part-cells").value == 950
    assert test.dataframe[0].value["doses"].tolist() == ["1, 3, 10, 30", ""]
    test.selectbox(key="part-preset").select("nocodazole-every-dose").run()
    assert test.dataframe[0].value["cells"].tolist() == [80, 80]
    assert not test.warning


def test_single_doses_are_those_of_all_chosen_compounds():
    make_screen()
    test = opened(**{"part-compounds": ["active", "idle"], "part-doses": "some", "part-which": ["0.1", "1"]})
    assert test.multiselect(key="part-which").options == ["0.01", "0.03", "0.1", "0.3", "1", "3"]
    assert test.dataframe[0].value["doses"].tolist() == ["0.1, 1", "0.1, 1", ""]


def test_confounded_classes_and_missing_controls_are_said():
    make_screen()
    table = make_screen("other").table
    table = table[(table["compound"] != "DMSO")].reset_index(drop=True)
    create(
        "bare",
        np.zeros((len(table), 1, 8, 8), np.uint8),
        table.drop(columns=["split", "order"]),
        Metadata(label="compound"),
    )
    test = AppTest.from_string("from pages.ui.data import derived\nderived.part_form('bare')", default_timeout=60)
    test.session_state["part-compounds"] = ["active"]
    test.run()
    assert "no untreated cells on the plates" in test.warning[0].value
    assert not any(b.key == "part-now" for b in test.button)


def test_compounds_on_plates_of_their_own_are_warned_of():
    rows = [{"compound": c, "dose": 1.0, "plate": f"of {c}"} for c in ("a", "b") for _ in range(60)]
    rows += [{"compound": "DMSO", "dose": 0.0, "plate": "of a"} for _ in range(60)]
    table = pd.DataFrame(rows)
    create("kit", np.zeros((len(table), 1, 8, 8), np.uint8), table, Metadata(label="compound"))
    said = [w.value for w in opened(**{"part-compounds": ["a", "b"]}).warning]
    assert any("Compound and plate are confounded" in text for text in said)


def test_a_name_that_is_taken_is_refused():
    make_screen()
    test = opened(**{"part-compounds": ["active"], "part-name": "kit"})
    test.button(key="part-now").click().run()
    assert any("kit" in w.value for w in test.warning)


def test_counts_stand_without_plates_and_doses():
    table = counted(pd.DataFrame({"compound": ["a", "a", "DMSO"]}))
    assert table["cells"].tolist() == [2, 1]
    assert table["doses"].tolist() == ["", ""]
    assert table["plates"].isna().all()


def test_wells_of_two_plates_are_two_wells():
    wells = pd.DataFrame({"compound": "a", "plate": ["p", "p", "q", "q"], "well": ["B02", "B02", "B02", None]})
    assert counted(wells)["wells"].tolist() == [2]
    assert counted(wells.drop(columns="plate"))["wells"].tolist() == [1]


def test_how_many_doses_is_filled_in_by_one_hand_alone(monkeypatch):
    from streamlit.elements.lib import policies

    warned = []
    monkeypatch.setattr(policies, "_shown_default_value_warning", False)
    monkeypatch.setattr(policies._LOGGER, "warning", lambda *args, **keys: warned.append(args))
    of_paper()
    test = opened(**{"part-compounds": ["sim-taxol"], "part-doses": "the highest"})
    assert test.number_input(key="part-highest").value == 4
    test.selectbox(key="part-preset").select("taxol").run()
    assert test.number_input(key="part-highest").value == 4
    assert warned == []


@pytest.mark.parametrize("compounds", [[], None])
def test_nothing_chosen_is_asked_for(compounds):
    make_screen()
    test = opened(**({} if compounds is None else {"part-compounds": compounds}))
    assert "Choose at least one compound" in " ".join(str(b.proto.body) for b in test.get("html"))


def _join() -> None:
    from pages.ui.data import derived

    derived.join_form("kit")


def _split() -> None:
    from pages.ui.data import derived

    derived.split_form("kit")


def test_a_table_is_joined_after_a_look_at_what_comes(tmp_path):
    make_screen()
    table = pd.DataFrame({"Metadata_Compound": ["active", "other"], "moa": ["spindle", "none"]})
    table.to_csv(tmp_path / "moa.csv", index=False)
    test = paging.drawn(_join, **{"join-path": str(tmp_path / "moa.csv")})
    assert "**moa** for 360 of 864 images, by compound." in [m.value for m in test.markdown]
    assert "1 row fits no image: other" in paging.text_of(test)
    assert store.load("kit").table.columns.tolist().count("moa") == 0
    test.button(key="join-now").click().run()
    assert store.load("kit").table["moa"].value_counts().to_dict() == {"spindle": 360}
    again = paging.drawn(_join, **{"join-path": str(tmp_path / "moa.csv")})
    assert [w.value for w in again.warning] == ["moa: there already, and replaced."]


def test_an_uploaded_table_that_shares_nothing_is_said():
    make_screen()
    test = paging.drawn(_join)
    test.file_uploader(key="join-file").set_value([("t.csv", b"name,moa\na,b\n", "text/csv")]).run()
    assert "in both tables" in paging.text_of(test) or any("in both tables" in e.value for e in test.error)
    assert not any(b.key == "join-now" for b in test.button)


def test_compounds_are_kept_apart_by_one_button():
    make_screen()
    test = paging.drawn(_split, **{"split-name": "apart"})
    assert test.selectbox(key="split-group").value == "compound"
    test.button(key="split-now").click().run()
    treated = store.load("apart").table.query("compound != 'DMSO'")
    assert (treated.groupby("compound")["split"].nunique() == 1).all()


def test_the_page_offers_both_for_screens_of_ones_own():
    make_screen()
    keys = {b.key for b in page("kit").button}
    assert {"data-join", "data-split"} <= keys
