"""The Screen page: its answers are those of the library, a click leads to cells, and what is no screen says so."""

from __future__ import annotations

import html
import io
import zipfile

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.screen import sections
from pages.ui.screen.opened import NETWORK, open_screen
from ssrl_core.analysis.screens.answers import answers
from tests.analysis.screens.planted import Plan, planted
from tests.kit import make_imageset, make_run
from tests.paging import drawn, opened, text_of
from tests.screen_kit import make_screen_run


def page(**query) -> AppTest:
    return opened("pages/9_Screen.py", query)


def words(test: AppTest) -> str:
    return " ".join(str(block.proto.body) for block in test.main.get("html"))


def test_the_page_answers_with_the_numbers_of_the_library():
    run = make_screen_run().name
    test = page(run=run)
    told = words(test)
    opened = open_screen(run)
    active = opened.told["corrected"]["map"]["activity"]
    for said in answers(opened.screen, opened.told):
        assert f"<b>{html.escape(said.head)}</b>{html.escape(said.rest)}" in told
    assert "No mechanism is known for two compounds" in told
    assert {"Seen by", "Plates", "Treatment", "Plate", "Shown"} <= {box.label for box in test.selectbox}
    seen = next(box for box in test.selectbox if box.label == "Seen by")
    assert seen.options == [NETWORK, "number of cells alone"] or seen.options == [NETWORK]
    table = pd.concat(pd.DataFrame(frame.value) for frame in test.dataframe)
    assert len(table) == active["n"] + len(active["left_out"])


def test_a_treatment_leads_to_its_cells_and_all_goes_home_as_tables():
    opened = open_screen(make_screen_run().name)
    name = opened.scored.treatments.table["treatment"][0]
    ids = opened.cells_of(treatment=name)
    table = opened.run.imageset.table.iloc[ids]
    assert set(table["compound"]) == {opened.scored.treatments.table["compound"][0]}
    assert len(table["dose"].unique()) == 1
    with zipfile.ZipFile(io.BytesIO(sections._zip(opened))) as packed:
        assert set(packed.namelist()) >= {"wells.csv", "treatments.csv", "activity.csv", "nearest.csv"}


def test_images_without_wells_are_no_screen():
    make_imageset(c=3)
    test = page(run=make_run().name)
    assert "These images are no screen" in words(test)


@pytest.mark.parametrize(("shift", "said"), [(3.0, "Edge effect"), (0.0, "No clear edge effect")])
def test_an_effect_of_the_edge_is_named(shift, said):
    chance = np.random.default_rng(1)
    table = pd.DataFrame(
        {
            "plate": np.repeat(["a", "b", "c"], 20),
            "edge": np.tile([True, False], 30),
            "untreated": True,
            "value": chance.normal(size=60),
        }
    )
    table.loc[table["edge"], "value"] += shift
    assert sections.edge_words(table, "distance").startswith(said)
    assert "cannot be told" in sections.edge_words(table[table["edge"]], "distance")


def test_every_figure_is_drawn_as_a_file():
    from ssrl_core.analysis.screens.retrieval import similarity
    from ssrl_core.analysis.screens.screen import screen
    from ssrl_core.figures import profiles
    from ssrl_core.figures.sheets import figure_file

    scored = screen(planted(Plan(mechanisms=2, compounds=2, inactive=1, doses=(0.1, 1.0), controls=4), 0)).scored
    known = scored.treatments.table
    wells = scored.wells.table.assign(row=1, column=np.arange(len(scored.wells.table)) % 12, value=1.0)
    rows = [{"score": "a", "kind": k, "value": 0.5, "low": 0.4, "high": None, "chance": 0.1} for k in ("x", "y")]
    drawn = [
        profiles.scores_figure(rows, title="Scores"),
        profiles.similarity_figure(similarity(scored.treatments.x, scored.treatments.x), known),
        profiles.activity_figure(scored.activity, unit="µM"),
        profiles.activity_figure(scored.activity.drop_duplicates("compound")),
        profiles.confusion_figure(scored.nsc.confusion()),
        profiles.sweep_screen_figure(
            pd.DataFrame({"plate_read": [0.2, 0.3, 0.6, None], "nscb": [0.8, 0.9, 0.4, 0.5]}), ["a", "a", "b", "c"]
        ),
        profiles.wells_figure(wells[:12], (8, 12), title="cells"),
    ]
    for fig in drawn:
        assert figure_file(fig, "svg", caption="words").startswith(b"<?xml")


def planted_table() -> pd.DataFrame:
    """Profiles as CellProfiler's, without images."""
    wells = planted(Plan(effect=7.0, mechanisms=2, compounds=3, inactive=4, controls=8), 1)
    table = pd.DataFrame(wells.x, columns=[f"Cells_AreaShape_{i}" for i in range(wells.x.shape[1])])
    about = wells.table
    known = {"Plate": about["plate"], "Position": about["well"], "moa": about["mechanism"]}
    known |= {"broad_sample": about["compound"].replace("untreated", None), "Object_Count": about["cells"]}
    known["control_type"] = np.where(about["untreated"], "negcon", "trt")
    return pd.concat([pd.DataFrame({f"Metadata_{k}": np.asarray(v) for k, v in known.items()}), table], axis=1)


def _table_form() -> None:
    from pages.ui.screen import opened as tables

    tables.form()


def test_a_table_of_numbers_is_scored_on_the_page(tmp_path):
    planted_table().to_csv(tmp_path / "p.csv.gz", index=False)
    test = drawn(_table_form, **{"screen-table-path": str(tmp_path / "p.csv.gz")})
    assert "Name the column that has the wells well" in text_of(test)
    test.selectbox(key="screen-table-well").select("Metadata_Position").run()
    assert "**6** plates, **48** untreated wells, **11** compounds, **2** mechanisms, **24** features" in text_of(test)
    test.button(key="screen-table-now").click().run()
    brought = test.session_state["screen-table"]
    assert (brought.name, len(brought.wells.table)) == ("p.csv.gz", 84)
    shown = opened("pages/9_Screen.py", {}, **{"screen-table": brought})
    told = words(shown)
    assert [w.value for w in shown.warning] == []
    assert "of 11 compounds do something" in told
    assert "Yes, it sees more than the number of cells" in told
    assert "numbers only" in text_of(shown)
    assert any("alike" in pd.DataFrame(frame.value).columns for frame in shown.dataframe)
    shown.selectbox(key="choose-recipe").select("no-correction").run()
    assert not shown.exception
    assert "before correction" in shown.selectbox(key="choose-step").options
    shown.button(key="screen-table-close").click().run()
    assert "screen-table" not in shown.session_state


def test_a_table_that_is_none_says_what_lacks(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    test = drawn(_table_form, **{"screen-table-path": str(tmp_path / "t.csv")})
    assert "well must be a column of the table, got 'a, b'" in text_of(test).replace("\\", "")
    assert not any(button.key == "screen-table-now" for button in test.button)
    gone = drawn(_table_form, **{"screen-table-path": str(tmp_path / "gone.csv")})
    assert "gone.csv" in text_of(gone).replace("\\", "")
