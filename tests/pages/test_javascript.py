"""The scripts of the pages: they are sound, their parts without a screen do what they say, and they read our blocks."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pages.ui.compare import pair
from pages.ui.compose import preview
from pages.ui.kit import gallery
from pages.ui.map import view
from pages.ui.map.payload import groups, pack_facet, pack_map, pack_places
from tests.kit import missing

TESTS = Path(__file__).with_name("js")
# as a component gets them; `python -m tests.pages.test_javascript FOLDER` writes them for a linter
SCRIPTS = {
    "map": view.MAP_JS,
    "sheet": view.SHEET_JS,
    "gallery": gallery.JS,
    "matrix": pair.JS,
    "grid": preview.JS,
}


def node(*arguments: object) -> str:
    program = shutil.which("node")
    if program is None:
        missing("Node", "install nodejs")
    done = subprocess.run(
        [str(program), *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1500:]
    return done.stdout


def read(block: bytes, folder: Path) -> dict:
    (folder / "block").write_bytes(block)
    return json.loads(node(TESTS / "read_block.js", folder / "block"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_component_gets_a_script_that_parses_as_a_module(name, tmp_path):
    file = tmp_path / f"{name}.mjs"
    file.write_text(SCRIPTS[name], encoding="utf-8")
    node("--check", file)


def test_the_parts_without_a_screen_pass_their_own_tests():
    assert "# fail 0" in node("--test", "--test-reporter=tap", TESTS / "points.test.js")


def test_the_browser_reads_places_and_images_as_they_were_sent(tmp_path):
    points, ids = np.array([[-3.0, 10.0], [3.0, 13.0], [np.nan, 0.0], [0.0, 11.5]]), np.array([2, 300, 301, 9000])
    found = read(pack_places(points, image_ids=ids, name="a"), tmp_path)
    assert found["ids"] == ids.tolist()
    assert found["placed"] == [1, 1, 0, 1]
    np.testing.assert_allclose(
        np.array([found["xs"], found["ys"]])[:, [0, 1, 3]], [[0, 1, 0.5], [0, 0.5, 0.25]], atol=1e-4
    )


def test_the_browser_reads_groups_and_a_selection_as_they_were_sent(tmp_path):
    found = read(pack_facet(groups("kind", np.array([1, -1, 0]), ["a", "ä"]), name="f"), tmp_path)
    assert (found["header"]["names"], found["parts"]["codes"]) == (["a", "ä"], [1, 255, 0])
    block = pack_map(places="p", facets=["f"], pictures="t", selected=np.array([True, False, True]), focus=2)
    found = read(block, tmp_path)
    assert (found["parts"]["selected"], found["header"]["focus"]) == ([5], 2)


if __name__ == "__main__":
    for _name, _text in SCRIPTS.items():
        (Path(sys.argv[1]) / f"{_name}.mjs").write_text(_text, encoding="utf-8")
