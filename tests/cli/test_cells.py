"""`data cells` on the command line."""

import json
import os
import re
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile

from ssrl_core import stores
from ssrl_core.cli import main
from ssrl_core.datasets import store
from ssrl_core.datasets.made.simulation.crops import Camera, FieldSettings, write_fields
from tests.kit import ROOT

SMALL = FieldSettings(shape=(200, 240), camera=Camera(pixel_um=0.65))


def _run(capsys, *words):
    code = main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_cells_are_cut_and_told(tmp_path, capsys):
    table = write_fields(tmp_path / "in", 3, SMALL)
    code, said = _run(capsys, "data", "cells", str(table), "--name", "screen", "--size", "40", "--group", "well")
    assert code == 0
    data = said["data"]
    assert (data["name"], data["shape"], data["fields"], data["nuclei"]) == ("screen", [3, 40, 40], 3, "DNA")
    assert data["dropped"]["border"] > 0
    assert main(["data", "cells", str(table), "--name", "again", "--size", "40", "--where", "site=1"]) == 0
    shown = capsys.readouterr().out
    assert "cells of 3×40×40" in shown
    assert shown.splitlines()[0].endswith("from 1 field")


def test_bad_wishes_end_with_two_and_name_the_field(tmp_path, capsys):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((50, 50), np.uint8))
    for words, field in (
        (["--focus-limit", "sharp"], "--focus-limit"),
        (["--size", "3"], "size"),
        (["--where", "plate"], "--where"),
        (["--threshold", "magic"], "threshold"),
        (["--name", "Not A Slug"], "name"),
    ):
        code, said = _run(capsys, "data", "cells", str(tmp_path / "a.tif"), "--name", "x", *words)
        assert code == 2
        assert said["error"]["field"] == field, said
    code, said = _run(capsys, "data", "cells", str(tmp_path / "missing.csv"), "--name", "x")
    assert code == 2
    assert "no such file" in said["error"]["message"]


def test_cells_and_fields_are_drawn_on_demand(tmp_path, capsys, monkeypatch):
    words = ["data", "simulate", "--name", "few", "--count", "12", "--side", "32", "--bits", "12", "--seed", "7"]
    code, said = _run(capsys, *words)
    assert code == 0
    assert (said["data"]["count"], said["data"]["shape"], said["data"]["dtype"]) == (12, [3, 32, 32], "uint16")
    assert _run(capsys, "data", "simulate")[0] == 2
    assert _run(capsys, "data", "simulate", "--name", "few")[0] == 2
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("mine")
    code, said = _run(capsys, "data", "simulate", "--fields", str(tmp_path / "full"))
    assert (code, said["error"]["field"]) == (2, "--fields")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_an_import_that_was_killed_goes_on_where_it_was(tmp_path):
    """SIGKILL in the middle: nothing half-made is listed, and the next import does only what is missing."""
    table = write_fields(tmp_path / "in", 10, SMALL)
    words = [sys.executable, "-m", "ssrl_core", "data", "cells", str(table), "--name", "screen", "--size", "40"]
    shards = stores.data_root() / ".cells-screen"
    child = subprocess.Popen([*words, "--workers", "1"], cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    for _ in range(6000):
        if len(list(shards.glob("0*.json"))) >= 3 or child.poll() is not None:
            break
        time.sleep(0.01)
    child.kill()
    child.wait()
    assert not (stores.data_root() / "screen").exists(), "it was killed too late to test anything"
    done = len(list(shards.glob("0*.json")))
    assert 3 <= done < 10
    again = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    _, said = again.communicate(timeout=300)
    assert again.returncode == 0, said
    first = re.search(r"cutting cells out of fields: (\d+) of 10", said)
    assert first is not None
    assert int(first.group(1)) == done + 1, "what was done is not done again"
    made = store.load("screen")
    assert made.table["source"].nunique() == 10
    assert not shards.exists()


def test_channels_whose_names_have_commas_are_chosen_in_quotes(tmp_path, capsys):
    pixels = np.random.default_rng(0).integers(0, 200, (2, 60, 60)).astype(np.uint16)
    meta = {"axes": "CYX", "Channel": {"Name": ["DAPI, 405", "actin"]}}
    tifffile.imwrite(tmp_path / "a.ome.tif", pixels, ome=True, photometric="minisblack", metadata=meta)
    words = ("data", "cells", str(tmp_path / "a.ome.tif"), "--name", "none", "--size", "32")
    code, said = _run(capsys, *words, "--channels", "DAPI, 405,actin")
    assert (code, said["error"]["field"]) == (2, "--channels")
    code, said = _run(capsys, *words, "--channels", 'actin,"DAPI, 405"')
    assert "not one cell was found" in said["error"]["message"]
