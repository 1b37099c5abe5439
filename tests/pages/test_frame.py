"""The frame that every page shares."""

import ast
import re
from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.ui.kit import frame
from ssrl_core import access, stores
from ssrl_core.errors import RunError, SpecError
from ssrl_core.runs.queue import run_names
from tests.kit import ROOT, make_imageset, make_run


def run_script(script) -> AppTest:
    test = AppTest.from_function(script, default_timeout=30).run()
    assert not test.exception
    return test


def text_of(test: AppTest) -> str:
    """All HTML of a page, with the sidebar's, as one text."""
    return " ".join(str(block.proto.body) for block in test.get("html"))


def test_guard_shows_an_error_in_its_own_words_and_the_page_goes_on():
    def script():
        import streamlit as st

        from pages.ui.kit import frame
        from ssrl_core.errors import SpecError

        with frame.guard():
            raise SpecError(where="Step_1 [x]", field="hue", rule="in 0..0.5", value=0.9, remedy="Lower hue.")
        st.caption("went on")

    test = run_script(script)
    assert "hue must be in 0..0.5, got 0.9" in test.warning[0].value
    assert r"Step\_1 \[x\]" in test.warning[0].value  # a name never becomes formatting
    assert test.caption[0].value == "went on"


def test_guard_lets_a_bug_show_itself():
    with pytest.raises(ZeroDivisionError), frame.guard():
        _ = 1 / 0


def test_a_failed_run_is_an_error_and_a_mistake_a_warning():
    def script():
        from pages.ui.kit import frame
        from ssrl_core.errors import RunError, SpecError

        frame.show_error(RunError("the run failed"))
        frame.show_error(SpecError("a mistake"))

    test = run_script(script)
    assert [e.value for e in test.error] == ["the run failed"]
    assert [w.value for w in test.warning] == ["a mistake"]
    assert issubclass(RunError, Exception)
    assert issubclass(SpecError, Exception)


def test_empty_state_stops_the_page():
    def script():
        import streamlit as st

        from pages.ui.kit import frame

        frame.empty("Nothing here.", button="Go", page="pages/nowhere.py")
        st.caption("never")

    test = run_script(script)
    assert "Nothing here." in text_of(test)
    assert not test.caption
    assert not test.button  # the page that the button opens is not there


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (float("nan"), ""),
        (12.4, "12 s"),
        (180, "3 min"),
        (7800, "2 h 10 min"),
        (7200, "2 h"),
        (300_000, "3 d"),
    ],
)
def test_durations_are_words(seconds, words):
    assert frame.duration(seconds) == words


def test_time_left_has_the_time_of_day_on_hover():
    assert re.search(r'title="until \d\d:\d\d', frame.time_left(60))
    assert frame.time_left(None) == ""


def test_only_pages_that_exist_are_linked_and_each_exists_once():
    files = [file for group in frame.PAGES.values() for file, _, _ in group]
    assert len(files) == len(set(files))
    here = {f"pages/{path.name}" for path in (ROOT / "pages").glob("*.py")}
    assert here <= set(files)


def test_what_runs_now_counts_what_it_does_not_show_and_escapes_names():
    runs = [{"id": str(n), "name": "<b>", "state": "queued", "seed": None} for n in range(5)]
    runs.append(
        {"id": "r", "name": None, "state": "running", "progress": 0.4, "eta_s": 60, "phase": "train", "dataset": "d"}
    )
    text = frame.now_html(runs)
    assert "40 %" in text
    assert text.index("40 %") < text.index("waits")
    assert "and 3 more" in text
    assert "<b>&lt;b&gt;" in text or ">&lt;b&gt;</b>" in text


def test_the_address_chooses_and_survives_another_page():
    make_imageset(20, name="first")
    make_imageset(20, name="second")

    def script():
        import streamlit as st

        from pages.ui.kit import choices

        st.caption(choices.choose_dataset(default="first"))

    test = AppTest.from_function(script, default_timeout=30)
    test.query_params["dataset"] = "second"
    test.run()
    assert test.caption[0].value == "second"
    test.selectbox(key="choose-dataset").set_value("first").run()
    assert test.query_params["dataset"] == "first"
    test.query_params["dataset"] = "second"  # the browser's back button
    test.run()
    assert test.selectbox(key="choose-dataset").value == "second"
    test.query_params["dataset"] = "gone"
    test.run()
    assert test.selectbox(key="choose-dataset").value == "first"
    assert "gone" in test.caption[0].value


def test_choose_run_offers_finished_runs_and_shows_an_empty_state_without():
    def script():
        import streamlit as st

        from pages.ui.runs import choosing

        st.caption(choosing.choose_run())

    assert "No finished runs yet." in text_of(run_script(script))
    done = make_run()
    make_run(state="failed", spec={"seed": 9})
    test = run_script(script)
    assert test.caption[0].value == done.name
    assert len(test.selectbox(key="choose-run").options) == 1


def test_a_run_reads_as_what_it_is():
    run = {"id": "x", "name": None, "dataset": "mnist", "method": "byol", "backbone": "vgg11", "seed": 5}
    assert run_names.words(run) == "mnist · BYOL · VGG11 · seed 5"
    assert run_names.words(run | {"name": "Mine"}) == "Mine · seed 5"


def test_the_theme_is_the_one_of_the_design():
    import tomllib

    config = tomllib.loads((ROOT / ".streamlit/config.toml").read_text(encoding="utf-8"))
    assert config["theme"]["light"]["primaryColor"] == "#0f766e"
    assert config["theme"]["dark"]["backgroundColor"] == "#0f1216"
    assert config["browser"]["gatherUsageStats"] is False
    assert config["server"]["address"] == "127.0.0.1"
    assert st.__version__


def test_a_set_that_cannot_be_fetched_is_tried_again_only_when_asked(monkeypatch):
    from ssrl_core.datasets import store
    from ssrl_core.errors import DataError

    tries = []

    def refuse(name, *, report=None):
        tries.append(name)
        raise DataError("no network")

    monkeypatch.setattr(store, "load", refuse)

    def script():
        from pages.ui.kit import choices, frame

        with frame.guard():
            choices.open_imageset("cifar10")

    test = run_script(script)
    assert "no network" in test.warning[0].value
    test.run()
    assert tries == ["cifar10"]
    test.button[0].click().run()
    assert tries == ["cifar10", "cifar10"]


def test_a_set_that_is_made_on_first_use_opens():
    def script():
        import streamlit as st

        from pages.ui.kit import choices

        st.caption(str(choices.open_imageset("digits").count))

    assert run_script(script).caption[0].value == "1797"


TRAVELLING = {"dataset", "composition", "run", "sweep", "beside"}  # mean the same wherever they are asked


def test_the_address_keys_of_pages_do_not_collide():
    rooms: dict[str, set[str]] = {}
    for file in sorted((ROOT / "pages" / "ui").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            given = {word.arg: word.value for word in getattr(node, "keywords", ())}
            name = getattr(getattr(node, "func", None), "attr", getattr(getattr(node, "func", None), "id", ""))
            bound = getattr(given.get("bind"), "value", "") == "query-params"
            if isinstance(given.get("key"), ast.Constant) and (bound or name in ("from_address", "one_of")):
                rooms.setdefault(str(given["key"].value), set()).add(file.parent.name)
    assert len(rooms) > 20
    assert {key: where for key, where in rooms.items() if len(where) > 1 and key not in TRAVELLING} == {}


@pytest.mark.parametrize(
    ("host", "known"),
    [
        (None, True),
        ("localhost:8501", True),
        ("127.0.0.1:8501", True),
        ("[::1]:8501", True),
        ("192.168.0.7", True),
        ("LAB.example:443", True),
        ("other.example", True),
        ("evil.example:8501", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
    ],
)
def test_only_names_that_are_ours_are_answered(monkeypatch, host, known):
    monkeypatch.setenv("VIEWLOOM_HOSTS", "lab.example, other.example")
    assert access.is_known_host(host) is known


def test_streamlit_by_itself_shows_nothing_under_a_foreign_name(monkeypatch):
    """Without the app's own server, nobody has looked at the name before the page."""
    monkeypatch.setattr(type(st.context), "headers", {"Host": "evil.example"})

    def script():
        import streamlit as st

        from pages.ui.kit import frame

        frame.open_page("Train", "What?")
        st.write("the rest")

    page = run_script(script)
    assert page.error
    assert not page.markdown


def test_a_store_without_room_is_said_on_the_page(monkeypatch):
    monkeypatch.setattr(stores.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))

    def script():
        import streamlit as st

        from pages.ui.kit import frame

        frame.open_page("Train", "What?")
        st.write("the rest")

    page = run_script(script)
    assert "full or read-only" in page.warning[0].value
    assert page.markdown[-1].value == "the rest"
