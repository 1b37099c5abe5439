"""Choosing a run: one of three, one of thousands; what is offered, what is found, what the browser is sent."""

import re

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox

from pages.ui.runs import choosing
from ssrl_core import stores
from ssrl_core.runs.folder.run_folder import RunFolder
from ssrl_core.runs.queue import registry, registry_file, run_names
from tests.browsing import served, settled, tab
from tests.kit import make_run
from tests.paging import opened as opened_page
from tests.paging import text_of

FLIPPED = {"name": "flipped-twice", "steps": [{"transform": "horizontal_flip"}]}


def script():
    import streamlit as st

    from pages.ui.runs import choosing

    st.caption(choosing.choose_run(usable=choosing.has_embedding))


def opened(**address) -> AppTest:
    test = AppTest.from_function(script, default_timeout=90)
    for name, value in address.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception, test.exception[0].value if test.exception else ""
    return test


def searched(test: AppTest, text: str) -> AppTest:
    """The search opened, and these words looked for."""
    test.session_state["search-run"] = True
    return test.run().text_input(key="find-run").set_value(text).run()


def many(count: int) -> list[str]:
    """Runs of the registry that are done, newest first, with a folder that holds an embedding of nothing."""
    ids = [f"many-simclr-tiny_cnn-s{n}-{n:08x}" for n in range(count)]
    rows = [
        {"id": name, "dataset": "many", "method": "simclr", "backbone": "tiny_cnn", "seed": n % 5, "state": "done"}
        | {"queued_at": f"2026-01-01T00:{n // 60:02d}:{n % 60:02d}Z", "attempt": 1, "spec": "{}"}
        for n, name in enumerate(ids)
    ]
    for name in ids:
        (stores.runs_root() / name).mkdir()
        (stores.runs_root() / name / "embedding.npy").touch()
    registry.transact(lambda connection: registry_file.insert(connection, rows))
    return ids[::-1]


def test_of_few_runs_all_are_listed_and_there_is_no_search():
    names = [make_run(spec={"seed": s}, seed=s).name for s in (1, 2)]
    test = opened()
    assert len(test.selectbox(key="choose-run").options) == 2
    assert not test.text_input
    assert test.caption[0].value in names


def test_of_many_the_newest_are_listed_and_little_is_sent():
    ids = many(300)
    test = opened()
    box = test.selectbox(key="choose-run")
    assert len(box.options) == choosing.MOST
    assert test.caption[0].value == ids[0]
    assert not test.text_input  # nothing of the search before it is opened
    assert len(box.proto.SerializeToString()) < 5_000
    assert len(set(box.options)) == choosing.MOST  # runs that read the same are told apart


def test_any_run_is_found_by_its_words_and_taken():
    ids = many(300)
    odd = make_run(spec={"terms": [{"composition": FLIPPED, "weight": 1.0}], "tags": {"plate": "seven"}}).name
    for words, wanted in (("0000000a", ids[-11]), ("kit flipped", odd), ("seven", odd)):
        test = searched(opened(), words)
        test.button(key=f"take-run-{wanted}").click().run()
        assert not test.exception
        assert test.caption[0].value == wanted
        assert test.query_params["run"] == wanted
        assert len(test.selectbox(key="choose-run").options) <= choosing.MOST + 1
        assert not test.text_input  # it is closed


def test_a_search_offers_few_and_says_when_there_is_nothing():
    many(300)
    test = searched(opened(), "many seed:3")
    assert len([button for button in test.button if button.key.startswith("take-run-")]) == choosing._FOUND
    assert "More words find others" in text_of(test)
    test = searched(test, "nothing-like-it")
    assert not [button for button in test.button if button.key.startswith("take-run-")]
    assert "No run that can be used here matches." in text_of(test)


def test_a_link_opens_a_run_that_is_not_in_the_list():
    ids = many(300)
    test = opened(run=ids[-1])
    assert test.caption[0].value == ids[-1]
    test.selectbox(key="choose-run").set_value(ids[1]).run()
    assert test.caption[0].value == ids[1]
    assert "There is no run" in " ".join(caption.value for caption in opened(run="gone").caption)


def test_runs_without_an_embedding_are_offered_only_where_there_are_no_others():
    bare, kept = (make_run(spec={"seed": s}, seed=s).name for s in (1, 2))
    (RunFolder(bare).path / "embedding.npy").unlink()
    assert opened().selectbox(key="choose-run").options == [run_names.words_of(choosing.trained())[kept]]
    assert opened(run=bare).caption[0].value == bare
    (RunFolder(kept).path / "embedding.npy").unlink()
    assert opened().caption[0].value in (bare, kept)


@pytest.mark.parametrize(
    "text",
    [
        "terms:\n  - weight: 1.0\n    composition: {version: 1, name: some-set, size: null, steps: []}\n",
        "terms:\n  - weight: 1.0\n    composition:\n      version: 1\n      name: some-set\n      size: null\n",
        '{"terms":[{"weight":1.0,"composition":{"version":1,"name":"some-set","size":32}}]}',
    ],
)
def test_compositions_are_read_from_every_form_of_a_spec(text):
    assert run_names.names_in(text) == "some-set"
    assert run_names.names_in(text.replace("some-set", "null").replace('"null"', "null")) == ""


def test_runs_are_found_by_composition_and_forgotten_with_it():
    run = make_run(spec={"terms": [{"composition": FLIPPED, "weight": 1.0}]})
    rows = registry.list_runs()
    assert [row["id"] for row in run_names.chosen(rows, "flipped-twice")] == [run.name]
    registry.change(run.name, spec=RunFolder(run.name).path.joinpath("spec.yaml").read_text().replace("flipped", "f"))
    assert run_names.chosen(rows, "flipped-twice") == []


@pytest.mark.browser
def test_in_a_browser_a_run_is_searched_taken_and_kept_in_the_address():
    expect = pytest.importorskip("playwright.sync_api").expect
    odd = make_run(spec={"terms": [{"composition": FLIPPED, "weight": 1.0}]}).name
    rows = many(400)
    registry.change(odd, queued_at="2020-01-01T00:00:00Z")  # the oldest of all
    with served() as address, tab(timeout_s=20) as page:
        page.goto(f"{address}/Classes?run={rows[0]}")
        page.get_by_role("button", name="Search").first.click()
        box = page.get_by_placeholder("mnist-first-set", exact=False)
        box.fill("flipped-twice")
        box.press("Enter")
        page.get_by_role("button", name="kit · SimCLR").click()
        page.wait_for_url(f"**run={odd}*")
        settled(page)
        assert not box.is_visible()
        page.reload()
        settled(page)
        assert f"run={odd}" in page.url
        expect(page.get_by_role("combobox").first).to_have_value(re.compile("^flipped-twice · kit · SimCLR"))


@pytest.fixture
def browser(monkeypatch):
    """Lists send what a browser's send: the words that it shows, until it is told to show others."""
    shown: dict[str, str] = {}

    def sent(self):
        if self.proto.set_value or self.id not in shown:
            shown[self.id] = self.proto.raw_value if self.proto.set_value else self.options[self.proto.default]
        return WidgetState(id=self.id, string_value=shown[self.id])

    monkeypatch.setattr(Selectbox, "_widget_state", property(sent))


@pytest.mark.usefixtures("browser")
@pytest.mark.parametrize(
    ("page", "keys"),
    [
        ("pages/4_Clusters.py", ("run",)),
        ("pages/5_Classes.py", ("run", "beside")),
        ("pages/6_Compare.py", ("run", "beside")),
        ("pages/8_Show.py", ("run",)),
    ],
)
def test_a_run_stays_chosen_while_namesakes_finish(page, keys):
    older, chosen = (make_run(spec={"epochs": e, "method": m}).name for e, m in ((2, "byol"), (2, "simclr")))
    newest = make_run(spec={"epochs": 2, "method": "vicreg"}).name
    address = dict(zip(keys, (chosen, older), strict=False))
    test = opened_page(page, address)
    before = {key: test.selectbox(key=f"choose-{key}").value for key in keys}
    assert before == address
    assert newest not in before.values()  # what a choice would fall to
    words = run_names.words_of(registry.list_runs())
    for method in ("simclr", "byol"):  # two that read the same finish: the words of the chosen change
        make_run(spec={"epochs": 3, "method": method})
    assert run_names.words_of(registry.list_runs())[chosen] != words[chosen]
    test = test.run().run()  # the browser sends the words that it was shown, once more after the list changed
    assert not test.exception
    assert {key: test.selectbox(key=f"choose-{key}").value for key in keys} == address
    assert {key: test.query_params[key] for key in keys} == address


def test_runs_are_named_by_what_differs_and_never_by_their_id():
    spec = {"terms": [{"composition": "identity", "weight": 1.0}, {"composition": FLIPPED, "weight": 0.5}]}
    plain = make_run().name
    terms = make_run(spec=spec).name
    longer = make_run(spec=spec | {"epochs": 9, "backbone": "resnet18"}).name
    twins = [make_run(spec=spec | {"epochs": 5, "batch_size": size}).name for size in (8, 16)]
    said = run_names.words_of(registry.list_runs())
    assert said[plain] == "identity · kit · SimCLR · Tiny CNN · seed 5"
    assert said[terms].startswith("identity × 1 + flipped-twice × 0.5 · ")
    assert said[terms].endswith(" · kit · SimCLR · Tiny CNN · seed 5")
    assert "ResNet18" in said[longer]
    assert [said[run].split(" · ")[1] for run in twins] == ["batch size 8, epochs 5", "batch size 16, epochs 5"]
    assert len(set(said.values())) == len(said)
    assert not any(run.rpartition("-")[2] in words for run, words in said.items())
