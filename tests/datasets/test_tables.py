"""Tables of file names: any columns travel, the label is chosen, bad rows are skipped."""

import numpy as np
import pandas as pd
import pytest

from ssrl_core.datasets.importing import ImportOptions, import_source
from ssrl_core.errors import DataError, SpecError
from tests.datasets.files import picture, save


@pytest.fixture
def folder(tmp_path):
    for i in range(6):
        save(tmp_path / "images" / f"{i}.png", picture(seed=i))
    return tmp_path


def _rows(**more):
    base = {"file": [f"images/{i}.png" for i in range(6)], "label": list("aabbab"), "concentration": np.arange(6) / 2}
    return pd.DataFrame({**base, **more})


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "semicolon", "excel"])
def test_every_kind_of_table_is_read(folder, kind):
    rows, path = _rows(), folder / {"semicolon": "t.csv", "excel": "t.csv"}.get(kind, f"t.{kind}")
    if kind == "parquet":
        rows.to_parquet(path)
    elif kind == "excel":
        path.write_bytes(rows.assign(place="Zürich").to_csv(index=False).encode("cp1252"))
    else:
        rows.to_csv(path, index=False, sep={"tsv": "\t", "semicolon": ";"}.get(kind, ","))
    made = import_source(path, "tabled")
    assert made.count == 6
    assert made.label == "label"
    assert made.classes == ("a", "b")
    assert made.table["dose"].tolist() == [0, 0.5, 1, 1.5, 2, 2.5]
    if kind == "excel":
        assert set(made.table["place"]) == {"Zürich"}


def test_rows_keep_their_order_and_their_image(folder):
    _rows().iloc[::-1].to_csv(folder / "t.csv", index=False)
    made = import_source(folder / "t.csv", "backwards")
    assert made.table["source"].tolist() == [f"images/{i}.png" for i in range(5, -1, -1)]
    assert np.array_equal(made.pixels[0], np.moveaxis(picture(seed=5), -1, 0))


def test_a_folder_with_a_table_at_its_top_is_read_by_the_table(folder):
    _rows(kind=list("xyxyxy")).to_csv(folder / "t.csv", index=False)
    assert import_source(folder, "by-table", ImportOptions(label="kind")).classes == ("x", "y")


def test_a_table_that_names_no_files_leaves_the_folders_to_speak(folder):
    pd.DataFrame({"note": ["hello"]}).to_csv(folder / "notes.csv", index=False)
    made = import_source(folder, "by-folder")
    assert made.classes == ("images",)
    assert made.skipped[0]["file"] == "notes.csv"


def test_missing_and_leaving_files_are_skipped_with_the_reason(folder):
    files = ["images/0.png", "images/9.png", "../secret.png", "/etc/passwd.png", "C:\\x.png", None]
    save(folder.parent / "secret.png", picture())
    _rows(file=files).to_csv(folder / "t.csv", index=False)
    made = import_source(folder / "t.csv", "some")
    assert made.count == 1
    reasons = {item["file"]: item["reason"] for item in made.skipped}
    assert "no such file" in reasons["images/9.png"]
    assert all("leaves" in reasons[name] for name in ("../secret.png", "/etc/passwd.png", "C:\\x.png"))
    assert "missing" in reasons["row 6"]


def test_a_column_of_splits_is_kept(folder):
    _rows(split=["train", "train", "train", "train", "test", "test"]).to_csv(folder / "t.csv", index=False)
    made = import_source(folder / "t.csv", "split")
    assert made.split_ids("test").tolist() == [4, 5]
    assert made.meta["splits"]["source"] == "given"


def test_another_column_called_split_travels(folder):
    _rows(split=["f1", "f2"] * 3).to_csv(folder / "t.csv", index=False)
    made = import_source(folder / "t.csv", "folds")
    assert made.table["split_given"].tolist() == ["f1", "f2"] * 3


def test_no_group_is_in_two_splits(folder):
    _rows(plate=["p1", "p1", "p2", "p2", "p3", "p3"]).to_csv(folder / "t.csv", index=False)
    made = import_source(folder / "t.csv", "plates", ImportOptions(group="plate"))
    assert made.table.groupby("plate")["split"].nunique().tolist() == [1, 1, 1]
    assert made.meta["splits"]["group"] == "plate"


def test_missing_labels_are_minus_one(folder):
    _rows(label=["a", None, "b", "", "a", "b"]).to_csv(folder / "t.csv", index=False)
    assert import_source(folder / "t.csv", "gaps").label_ids.tolist() == [0, -1, 1, -1, 0, 1]


def test_bad_tables_are_named(folder):
    (folder / "none.csv").write_text("a,b\n1,2\n")
    (folder / "empty.csv").write_text("")
    (folder / "bad.parquet").write_text("text")
    pd.DataFrame({"file": ["x.png", "y.png"]}).to_csv(folder / "gone.csv", index=False)
    for name, match in [
        ("none.csv", "column called file"),
        ("empty.csv", "not a table"),
        ("bad.parquet", "not a table"),
    ]:
        with pytest.raises(DataError, match=match):
            import_source(folder / name, "bad")
    with pytest.raises(DataError, match="no such file"):
        import_source(folder / "gone.csv", "bad")
    _rows().to_csv(folder / "t.csv", index=False)
    with pytest.raises(SpecError, match=r"label must be a column.*concentration|label must be a column.*dose"):
        import_source(folder / "t.csv", "bad", ImportOptions(label="sort"))


def test_a_usual_name_wins_over_other_columns_of_files(folder):
    notes = []
    frame = _rows(other=[f"images/{5 - i}.png" for i in range(6)])[["other", "file", "label"]]
    frame.to_csv(folder / "t.csv", index=False)
    made = import_source(folder / "t.csv", "usual", report=lambda done, total, what: notes.append(what))
    assert made.table["source"][0] == "images/0.png"
    assert any("other" in note for note in notes)
