"""Everything at once of one table, and tables that come as files."""

import io

import numpy as np
import pandas as pd
import pytest

from ssrl_core.analysis.bias import most_opposed, opposition, read_classes, statistics
from ssrl_core.errors import DataError, SpecError
from tests.analysis.bias.tables import HUE, classes_table

CURVES = {
    "up": lambda x: 0.5 + 0.3 * x,
    "down": lambda x: 0.8 - 0.3 * x,
    "flat": lambda x: 0.6 + 0.05 * np.sin(4 * np.pi * x),
}


def planted(**settings) -> pd.DataFrame:
    return classes_table(CURVES, noise=0.004, **settings)


def as_csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False).encode()


def test_a_planted_pair_a_behaviour_and_the_winner_are_in_the_document():
    found = statistics(planted(), HUE, draws=3)
    first = found["opposed"].iloc[0]
    assert {first["first"], first["second"]} == {"up", "down"}
    assert dict(zip(found["behaviours"]["class"], found["behaviours"]["behaviour"], strict=True)) == {
        "up": "ascending",
        "down": "descending",
        "flat": "random",
    }
    assert found["sentences"][0].startswith("From 0 to 0.5: up +")
    assert set(found["floors"]["floor"]) == {"permuted", "trend_kept"}


def test_what_the_table_cannot_give_is_said_and_not_empty_in_silence():
    found = statistics(planted(seeds=1), HUE, draws=0)
    kinds = set(found["reasons"]["kind"])
    assert {"one_probe", "no_superclasses"} <= kinds
    assert found["superclasses"].empty
    assert found["probes"].empty
    assert found["floors"].empty


def test_superclasses_and_weights_are_taken_along():
    groups = {"up": "movers", "down": "movers", "flat": "others"}
    found = statistics(planted(), HUE, draws=0, superclasses=groups, weights={"movers": 2, "others": 1})
    assert set(found["superclasses"]["for"]) == {"movers", "others"}
    assert found["trade_off"]["on_front"].any()
    assert any(sentence.startswith("For movers (×2)") for sentence in found["sentences"])
    with pytest.raises(SpecError, match="weights"):
        statistics(planted(), HUE, draws=0, weights={"nobody": 1})


def test_linear_against_finetuning_appears_with_both_probes():
    table = pd.concat([planted(), planted(probe="finetune-0.01")])
    found = statistics(table, HUE, draws=0)
    assert found["probes"]["match"].iloc[0] == 1.0
    assert [sentence.split(":")[0] for sentence in found["sentences"]] == ["finetune-0.01", "linear"]


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.parquet"])
def test_a_table_comes_back_from_every_kind_of_file(name):
    table, buffer = planted(), io.BytesIO()
    if name.endswith("parquet"):
        table.to_parquet(buffer)
    else:
        table.to_csv(buffer, index=False, sep="\t" if name.endswith("tsv") else ";")
    back = read_classes(buffer.getvalue(), name)
    ours, theirs = (most_opposed(opposition(t, HUE).pairs) for t in (table, back))
    pd.testing.assert_frame_equal(ours, theirs)


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"", "a.csv", "0 bytes"),
        (b"x,y\n1,2\n", "a.csv", "Missing: dataset"),
        (b"not parquet", "a.parquet", "not a table that can be read"),
        (b"x", "a.xlsx", "ending must be one of"),
        (as_csv(planted().drop(columns=HUE)), "a.csv", "vary.PATH"),
        (as_csv(planted().assign(accuracy=80.0, correct=None)), "a.csv", "Divide percentages by 100"),
        (as_csv(planted().iloc[:0]), "a.csv", "at least one"),
    ],
)
def test_a_file_that_is_no_classes_table_says_why(content, name, words):
    with pytest.raises(DataError, match=words):
        read_classes(content, name)
