"""Cells leave in other people's formats: what they read is what the run knows."""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ssrl_core import stores
from ssrl_core.cli import main
from ssrl_core.errors import RunError
from ssrl_core.exports import EXPORTS, export
from ssrl_core.exports.cells import cell_table, profiles, well_profiles
from ssrl_core.runs.folder.run_folder import RunFolder
from tests.kit import make_imageset, make_run, missing
from tests.screen_kit import make_screen_run


@pytest.fixture
def run():
    folder = make_screen_run()
    stores.write_json(
        folder / "annotations.json",
        {
            "version": 1,
            "revision": 1,
            "clusters": {"clusters_kmeans_k2_s0": {"0": {"name": "round"}, "1": {"name": "flat"}}},
            "tags": [],
        },
    )
    return RunFolder(folder.name)


def test_anndata_opens_with_embedding_layouts_groups_and_spec(run, tmp_path):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own making, at import
            import anndata
    except ImportError:
        missing("anndata", "pip install anndata")
    told = export(run.id, "h5ad", tmp_path / "cells.h5ad")
    data = anndata.read_h5ad(tmp_path / "cells.h5ad")
    x, ids = run.embedding()
    assert np.array_equal(data.X, x)
    assert data.obs_names.tolist() == [str(i) for i in ids]
    assert set(data.obs["kmeans_k2"].cat.categories) == {"round", "flat"}
    assert {"compound", "dose", "plate", "well"} <= set(data.obs)
    assert data.obs["dose"].dtype == float
    assert np.allclose(data.obsm["X_pca"], run.layouts()["pca"][0])
    assert run.id == data.uns["viewloom"]["run"]
    assert "simclr" in data.uns["viewloom"]["spec"]
    assert told["cells"] == len(ids)
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["cells.h5ad"]


def test_anndata_takes_columns_whose_names_the_format_keeps_for_itself(run, tmp_path):
    anndata = pytest.importorskip("anndata")
    from ssrl_core.datasets import store

    place = store.folder_of(run.spec().dataset.name) / "table.parquet"
    table = pd.read_parquet(place)
    table.assign(**{"_index": [f"cell{i}" for i in range(len(table))], "a/b": 1}).to_parquet(place)
    export(run.id, "h5ad", tmp_path / "cells.h5ad")
    data = anndata.read_h5ad(tmp_path / "cells.h5ad")
    assert data.obs["index_given"].iloc[0].startswith("cell")
    assert "a_per_b" in data.obs


def test_profiles_have_metadata_then_features(run, tmp_path):
    export(run.id, "profiles", tmp_path / "p.csv")
    table = pd.read_csv(tmp_path / "p.csv")
    assert {"Metadata_Plate", "Metadata_Well", "Metadata_Compound", "Metadata_Concentration"} <= set(table.columns)
    features = [c for c in table.columns if not c.startswith("Metadata_")]
    assert features == [f"Embedding_{i}" for i in range(8)]
    assert np.allclose(table[features], run.embedding()[0], atol=1e-5)
    export(run.id, "profiles", tmp_path / "p.parquet")
    assert pd.read_parquet(tmp_path / "p.parquet").shape == table.shape


def test_a_well_is_the_median_of_its_cells_and_counts_them(run):
    cells = cell_table(run)
    single, wells = profiles(cells), well_profiles(cells)
    assert wells["Metadata_Cell_Count"].sum() == len(single)
    for _, well in wells.iloc[::7].iterrows():
        own = single[
            (single["Metadata_Plate"] == well["Metadata_Plate"]) & (single["Metadata_Well"] == well["Metadata_Well"])
        ]
        assert well["Embedding_3"] == pytest.approx(np.median(own["Embedding_3"]))
        assert well["Metadata_Share_kmeans_k2_flat"] == pytest.approx((own["Metadata_kmeans_k2"] == 1).mean())
        assert own["Metadata_Compound"].unique().tolist() == [well["Metadata_Compound"]]


def test_tables_hold_every_cell(run, tmp_path):
    export(run.id, "parquet", tmp_path / "t.parquet")
    export(run.id, "csv", tmp_path / "t.csv")
    whole, plain = pd.read_parquet(tmp_path / "t.parquet"), pd.read_csv(tmp_path / "t.csv")
    assert len(whole) == len(plain) == len(run.embedding_ids())
    assert {"pca_x", "pca_y", "kmeans_k2", "kmeans_k2_name", "compound"} <= set(plain.columns)
    assert "embedding_7" in whole.columns
    assert "embedding_0" not in plain.columns
    assert np.array_equal(whole["image_id"], run.embedding_ids())


def test_a_cell_is_found_in_its_field_again(run, tmp_path):
    export(run.id, "positions", tmp_path / "positions.csv")
    table = pd.read_csv(tmp_path / "positions.csv")
    known = cell_table(run).known
    assert np.allclose(table["Location_Center_X"], known["x_px"])
    assert table["FileName"].tolist() == known["source"].tolist()
    assert not table.duplicated(["ImageNumber", "ObjectNumber"]).any()
    assert (table.groupby("ImageNumber")["FileName"].nunique() == 1).all()


def test_images_that_were_not_cut_out_of_fields_have_no_positions_and_no_wells(tmp_path):
    make_imageset(100)
    run = make_run(n=20).name
    for to in ("positions", "wells"):
        with pytest.raises(RunError, match="no column"):
            export(run, to, tmp_path / f"{to}.csv")
    assert list(tmp_path.glob("*.csv")) == []
    export(run, "csv", tmp_path / "t.csv")


def test_the_methods_paragraph_is_a_file_too(run, tmp_path):
    export(run.id, "paragraph", tmp_path / "m.md")
    assert "SimCLR" in (tmp_path / "m.md").read_text(encoding="utf-8")


def test_the_command_tells_what_was_written(run, tmp_path, capsys):
    assert main(["export", run.id, "--to", "wells", "--out", str(tmp_path / "w.csv"), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert data["features"] == 8
    assert Path(data["out"]).stat().st_size == data["bytes"]
    assert {"h5ad", "profiles", "wells", "parquet", "csv", "positions", "paragraph"} <= set(EXPORTS)
