"""What a browser can be made to send in the name of a map, a grid, a matrix or a mark: refused or passed over."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import numpy as np
import pytest
from streamlit.components.v2.bidi_component.main import _make_trigger_id
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.testing.v1 import AppTest

from pages.ui.kit import gallery
from ssrl_core import access, stores
from ssrl_core.access import EDITOR, VIEWER, Person
from tests.kit import make_imageset, make_run
from tests.paging import opened

NAN, INFINITE = float("nan"), float("inf")
HTML, FAR = "<img src=x onerror=alert(1)>", 2**52
SQUARE = [[-99, -99], [99, -99], [99, 99], [-99, 99]]
CLICK = {"kind": "image", "id": 3, "how": "new"}
SHAPES: dict[str, Any] = {
    "a text": str,
    "a number": int,
    "numbers": [int],
    "corners": [[float]],
    "an event": gallery._TOLD,
}
OF_NO_SHAPE = [True, NAN, INFINITE, -INFINITE, 10**30, -(10**30), [NAN], [[INFINITE, 0]], ["1"], [None], [[[1.0]]]]
OF_NO_SHAPE += ["x" * 10_000_000, [0] * 10_000_000, {"kind": 1}, {"id": "1"}, {"id": 1.5}, {"name": ["a"]}]
# page -> address, and what its components are told by trigger: of the right types, and senseless
EVENTS: dict[str, tuple[dict[str, str], dict[str, list[tuple[str, Any]]]]] = {
    "4_Clusters": (
        {"run": "A", "k": "3", "focus": "FOCUS"},
        {
            "focus-near": [("done", {**CLICK, "id": one}) for one in (-1, FAR, None, "3")] + [("done", {})],
            "map": [
                *(("done", {"kind": "lasso", "outline": one}) for one in ([], [[1]], [[1], [2, 3]], [[1e15] * 2] * 4)),
                ("done", {"kind": "lasso"}),
                ("done", {"kind": "box", "outline": SQUARE, "hidden": [FAR, -1], "how": HTML}),
                ("done", {"kind": "point", "row": FAR}),
                ("done", {"kind": "group", "group": -2}),
                ("done", {"kind": HTML}),
                ("done", ["lasso"]),
            ],
            "strips": [
                *(("done", {"kind": "head", "name": one}) for one in (HTML, "", "99", "1:2", None)),
                *(("done", {"kind": kind, "name": "-7", "title": HTML}) for kind in ("rename", "edit")),
                ("done", {"kind": "rename", "name": "1", "title": "long" * 2000}),
            ],
            "cluster-views": [("view", {"map": one, "at": HTML, "hidden": [FAR]}) for one in ("", HTML, None)],
            "cluster-asks": [("ask", {"name": HTML, "rows": [FAR, -1, 0]}), ("ask", {"rows": [1]}), ("ask", 3)],
        },
    ),
    "6_Compare": (
        {"a": "A", "b": "B", "ka": "3", "kb": "5"},
        {
            "compare-matrix": [
                *(("done", {"kind": one, "row": FAR, "column": -1}) for one in ("cell", "row", "column")),
                ("done", {"kind": "cell"}),
                ("done", {"kind": "row", "row": [1]}),
            ],
            "moved-grid": [("done", {**CLICK, "id": FAR, "how": "add"}), ("done", {"kind": "head", "name": "0:99"})],
        },
    ),
    "2_Compose": (
        {"dataset": "kit", "composition": "mnist-first-set", "images": "4"},
        {
            "compose-grid": [("picked", {"index": one}) for one in (FAR, -FAR, "1", None)],
            "compose-marks": [
                ("marked", {"name": HTML, "wish": "keep"}),
                ("marked", {"name": "classes", "wish": HTML}),
                ("marked", {"wish": "keep"}),
                ("asked", HTML),
                ("asked", ["hue"]),
            ],
        },
    ),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_what_is_not_of_the_shape_is_not_heard(shape, monkeypatch):
    for told in OF_NO_SHAPE:
        monkeypatch.setattr(gallery.st, "session_state", {"map": {"done": told}})
        assert gallery.heard("map", "done", shape) is None, str(told)[:80]
    monkeypatch.setattr(gallery.st, "session_state", {"map": {"done": {**CLICK, "name": None, "more": 1}}})
    assert gallery.heard("map", "done", gallery._TOLD) == CLICK


def test_what_no_page_sends_does_not_reach_it(server):
    said, heard = BackMsg(), BackMsg()
    told = {
        "deep": "[" * 100_000,
        "nested": "[" * 30 + "]" * 30,
        "digits": "9" * 5000,
        "none": "{",
        "long": f'"{"x" * 2_000_000}"',
        "good": '[{"a": 1}]',
    }
    for name, text in told.items():
        said.rerun_script.widget_states.widgets.add(id=name).json_trigger_value = text
        said.rerun_script.widget_states.widgets.add(id=f"{name} kept").json_value = text
    heard.ParseFromString(server.looked_at(said.SerializeToString()))
    assert [state.id for state in heard.rerun_script.widget_states.widgets] == ["good", "good kept"]
    passed = []

    async def app(scope, receive, send) -> None:
        passed.append(await receive())

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.receive", "bytes": bytes(16_000_001)}

    asyncio.run(server.Messages(app)({"type": "websocket"}, receive, receive))
    assert passed == [{"type": "websocket.disconnect", "code": 1009}]


def forged(test: AppTest, component: str, trigger: str, told: Any) -> AppTest:
    """The page after a component told something."""
    found = [one.proto.id for one in test.get("bidi_component") if one.proto.id.endswith(f"-{component}")]
    states = test._tree.get_widget_states()
    state = states.widgets.add(id=_make_trigger_id(found[0], "events"))
    state.json_trigger_value = json.dumps([{"event": trigger, "value": told}])
    return test._run(states)


@pytest.mark.parametrize(
    ("page", "role"), [*((page, EDITOR) for page in EVENTS), ("4_Clusters", VIEWER), ("6_Compare", VIEWER)]
)
def test_a_page_stands_whatever_its_components_are_said_to_tell(page, role, monkeypatch):
    make_imageset(300)
    names = {"A": make_run(n=60).name, "B": make_run(n=60, spec={"seed": 6}, seed=1).name}
    names["FOCUS"] = str(np.load(stores.runs_root() / names["A"] / "embedding_ids.npy")[0])
    monkeypatch.setattr(access, "_ask", lambda: Person("x", role, hosted=True, by_page=True))
    address, components = EVENTS[page]
    asked = {key: names.get(value, value) for key, value in address.items()}
    test = opened(f"pages/{page}.py", asked)
    before = {path: path.read_bytes() for path in stores.runs_root().rglob("*") if path.is_file()}
    for component, events in components.items():
        for trigger, told in events:
            forged(test, component, trigger, told)
            assert not test.exception, (component, told, test.exception[0].value)
    assert {path: path.read_bytes() for path in stores.runs_root().rglob("*") if path.is_file()} == before
