"""`data cells` on the command line."""

import json

import numpy as np
import tifffile

from ssrl_core.cli import main
from ssrl_core.datasets.simulation.camera import Camera
from ssrl_core.datasets.simulation.fields import FieldSettings, write_fields

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
    assert "from 1 fields" in shown


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
