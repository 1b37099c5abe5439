"""Tables of file names: any columns travel, the label is chosen, bad rows are skipped."""

import numpy as np
import pandas as pd
import pytest

from ssrl_core.datasets.importing import ImportOptions, import_source, understand
from ssrl_core.errors import DataError, SpecError
from tests.datasets.files import class_folders, picture, save


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


def test_a_column_may_be_called_as_the_files_are(tmp_path):
    for name in "12":
        save(tmp_path / name / "image.png", picture())
    pd.DataFrame({"image": ["1/image.png", "2/image.png"], "kind": ["a", "b"]}).to_csv(tmp_path / "t.csv", index=False)
    made = import_source(tmp_path / "t.csv", "headed", ImportOptions(label="kind"))
    assert (made.table["kind"].tolist(), made.skipped) == (["a", "b"], ())


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
    (folder / "wide.csv").write_text("file" + ",c" * 30_000 + "\nx.png" + ",1" * 30_000)
    with pytest.raises(DataError, match=r"30,001 columns, and at most 20,000 are read"):
        import_source(folder / "wide.csv", "bad")
    assert "at most 20,000" in str(import_source(folder, "beside").skipped)
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


def _text(folder, text, name="t.csv", encoding="utf-8"):
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


def test_values_stay_as_they_were_written(folder):
    head = "file;label;plate;barcode;dose;note;cells\n"
    rows = [
        "images/0.png;None;1E5;0101;0,3;x;1", "images/1.png;NA;2E3;101;0,03;;2", "images/2.png;null;1E5;0101;NA;y;3",
        "images/3.png;taxol;2E3;101;10;z;4", "images/4.png;;1E5;101;1;x;5", "images/5.png;taxol;1E5;101;3;x;6",
    ]  # fmt: skip
    made = import_source(_text(folder, head + "\n".join(rows)), "written")
    assert made.classes == ("NA", "None", "null", "taxol")
    assert made.label_ids.tolist() == [1, 0, 2, 3, -1, 3]
    assert made.table["plate"].tolist()[:2] == ["1E5", "2E3"]
    assert made.table["barcode"].tolist()[:2] == ["0101", "101"]
    assert made.table["dose"].tolist() == pytest.approx([0.3, 0.03, np.nan, 10, 1, 3], nan_ok=True)
    assert made.table["cells"].tolist() == [1, 2, 3, 4, 5, 6]
    kinds = {column["name"]: column["kind"] for column in made.meta["understood"]["columns"]}
    assert kinds["plate"] == kinds["label"] == "text"
    assert kinds["dose"] == "number"


def test_long_ids_keep_their_digits_and_thousands_are_no_fractions(folder):
    ids = [f"2024010100000012{i}" for i in range(5)] + [""]
    text = "file,cell,count\n" + "".join(f'images/{i}.png,{ids[i]},"1,23{i}"\n' for i in range(6))
    made = import_source(_text(folder, text), "ids")
    assert made.table["cell"].tolist()[:5] == ids[:5]
    assert made.table["count"].tolist()[0] == "1,230"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("sep=;\nfile;label\n{}", "utf-8"),
        ("file;label\n{}", "utf-16"),
        ("file, label\n{}", "utf-8"),
        ("file|label\n{}", "utf-8"),
        ('file;"a, b";label\n{}', "utf-8"),
        ("# made by X\nfile,label\n{}", "utf-8"),
        ("file,label\n{}", "trailing"),
    ],
)
def test_tables_of_other_programs_are_read(folder, text, encoding):
    mark = next(m for m in (";", "|", ",") if m in text.replace("a, b", "").replace("made by X", ""))
    cells = [[f"images/{i}.png", *(["-"] if "a, b" in text else []), "ab"[i % 2]] for i in range(6)]
    end = mark if encoding == "trailing" else ""
    rows = "".join((mark + " ").join(row) + end + "\n" for row in cells)
    path = _text(folder, text.format(rows), encoding="utf-8" if encoding == "trailing" else encoding)
    made = import_source(path, "other")
    assert (made.count, made.classes) == (6, ("a", "b"))


def test_a_table_without_a_head_is_said(folder):
    made = import_source(_text(folder, "".join(f"images/{i}.png,a\n" for i in range(6))), "bare")
    assert made.count == 6
    assert any("no head" in note for note in made.meta["understood"]["notes"])


@pytest.mark.parametrize(
    "written", ["{}.png", "{}", "images/{}", "IMAGES/{}.PNG", "{folder}/images/{}.png", "C:\\other\\images\\{}.png"]
)
def test_files_are_found_by_name_stem_and_absolute_paths_that_lie_inside(folder, written):
    rows = "".join(f"{written.format(i, folder=folder)},{'ab'[i % 2]}\n" for i in range(6))
    made = import_source(_text(folder, "image_id,label\n" + rows).parent, "found")
    assert made.classes == ("a", "b")
    assert sorted(made.table["source"]) == [f"images/{i}.png" for i in range(6)]
    assert made.meta["understood"]["layout"]["table"] == "t.csv"


def test_a_name_that_several_files_have_is_missing_and_no_file_stands_in_for_another(folder):
    for plate in ("p1", "p2"):
        save(folder / plate / "a.png", picture(seed=9))
    made = import_source(_text(folder, "file,label\na.png,x\nimages/0.png,y\n"), "twice")
    assert made.table["source"].tolist() == ["images/0.png"]
    assert "2 files are called so" in made.skipped[0]["reason"]
    (folder / "p2" / "a.png").unlink()
    text = "file,label\n/data/screen/p1/a.png,x\n/data/other/p1/a.png,y\nimages/1.png,y\n/data/p2/a.png,z\n"
    made = import_source(_text(folder, text), "plates")
    assert made.table["source"].tolist() == ["images/1.png"]
    assert len(made.skipped) == 3


def test_a_file_in_several_rows_is_one_image(folder):
    made = import_source(_text(folder, "file,label\nimages/0.png,x\nimages/1.png,y\nimages/0.png,x\n"), "rows")
    assert made.table["source"].tolist() == ["images/0.png", "images/1.png"]
    assert made.skipped == ({"file": "row 3", "reason": "row 1 names images/0.png already"},)


def test_the_table_that_names_most_files_is_used_and_the_others_are_said(folder):
    _text(folder, "file,label\nimages/0.png,x\n", "few.csv")
    _text(folder, "file,kind\n" + "".join(f"images/{i}.png,{i % 2}\n" for i in range(6)), "most.csv")
    _text(folder, "a,b\n1,2\n", "none.csv")
    made = import_source(folder, "most", ImportOptions(label="kind"))
    assert made.count == 6
    reasons = {item["file"]: item["reason"] for item in made.skipped}
    assert "most.csv names more" in reasons["few.csv"]
    assert "no column" in reasons["none.csv"]


def test_a_split_column_is_taken_whole_or_refused(folder):
    words = ["train", "train", "train", "validate", "test", "holdout"]
    rows = _rows(Split=words)
    rows.to_csv(folder / "t.csv", index=False)
    made = import_source(folder / "t.csv", "split")
    assert made.table["split"].tolist() == ["train", "train", "train", "val", "test", "test"]
    _rows(split=[*words[:5], "train_val"]).to_csv(folder / "t.csv", index=False)
    with pytest.raises(DataError, match="train_val"):
        import_source(folder / "t.csv", "strange")
    _rows(split=[*words[:5], None]).to_csv(folder / "t.csv", index=False)
    with pytest.raises(DataError, match="none"):
        import_source(folder / "t.csv", "gap")


def test_the_only_column_beside_the_names_is_the_label_and_said_to_be_guessed(tmp_path):
    rows = [save(tmp_path / "in" / "train" / f"{i:03}.png", picture(seed=i)).stem for i in range(8)]
    (tmp_path / "in" / "labels.csv").write_text(
        "id,breed\n" + "".join(f"{r},{'ab'[i % 2]}\n" for i, r in enumerate(rows))
    )
    made = import_source(tmp_path / "in", "kaggle")
    assert (made.label, made.classes) == ("breed", ("a", "b"))
    guessed = {item["what"]: item["because"] for item in made.meta["understood"]["guessed"]}
    assert guessed["label"] == "the table has no other"


def test_a_table_that_gave_no_labels_is_left_out_whatever_its_name(tmp_path):
    """`ls.csv` ends the name of the table that did give them."""
    folder = class_folders(tmp_path / "set", {"train/cat": 3, "train/dog": 3})
    for i in range(4):
        save(folder / "val" / "images" / f"v{i}.png", picture(seed=40 + i))
    names = [f"v{i}.png" for i in range(4)]
    rows = "\n".join(f"{name},{'dog' if i % 2 else 'cat'}" for i, name in enumerate(names))
    (folder / "val" / "labels.csv").write_text(f"file,kind\n{rows}\n")
    (folder / "ls.csv").write_text("file,note\n" + "\n".join(f"val/images/{name},{i}" for i, name in enumerate(names)))
    understood = understand(folder)
    assert "the labels of 4 images are those of val/labels.csv" in understood.notes
    assert {"file": "ls.csv", "reason": "it names few of the images"} in understood.skipped


def test_a_row_for_each_object_is_one_image_whose_values_agree_or_are_missing(tmp_path):
    names = [f"{i}.png" for i in range(4)]
    for i, name in enumerate(names):
        save(tmp_path / name, picture(seed=i))
    rows = [f"{n},{'ab'[i % 2] if i else 'ab'[k]},{k},{i}" for i, n in enumerate(names) for k in (0, 1)]
    (tmp_path / "t.csv").write_text("file,label,object,mean\n" + "\n".join(rows) + "\n")
    made = import_source(tmp_path, "objects")
    assert made.table["label"].tolist() == [None, "b", "a", "b"]
    assert made.table["mean"].tolist() == [0, 1, 2, 3]
    assert "object" not in made.table
    assert "8 rows for 4 files" in made.meta["source"]
