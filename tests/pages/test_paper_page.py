"""The Paper page: every item, and what it answers where something is missing."""

from streamlit.testing.v1 import AppTest

from ssrl_core.paper.items import IDS, ITEMS
from tests.kit import ROOT


def opened(item: str, scale: str = "small") -> AppTest:
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run().switch_page("pages/7_Paper.py")
    test.query_params["item"] = item
    test.session_state["paper-scale"] = scale
    test = test.run()
    assert not test.exception, test.exception[0].value if test.exception else ""
    return test


def text_of(test: AppTest) -> str:
    blocks = [str(block.proto.body) for block in test.get("html")]
    return " ".join([*blocks, *(m.value for m in test.markdown), *(i.value for i in test.info)])


def test_every_item_opens_with_its_claim_its_cost_and_its_numbers():
    test = opened("table-1")
    for name in IDS:
        test.query_params["item"] = name
        test = test.run()
        assert not test.exception, (name, test.exception[0].value if test.exception else "")
        text = text_of(test)
        assert ITEMS[name].claim[:40] in text.replace("&gt;", ">")
        if ITEMS[name].plans:
            assert "on this machine" in text or "No training" in text
            assert {b.key for b in test.button} >= {"paper-run-small", "paper-run-full"}
        if ITEMS[name].published():
            shown = test.dataframe[0].value
            assert shown["published"].notna().sum() == len(ITEMS[name].published())


def test_data_that_is_missing_is_named_with_the_way_to_get_it():
    text = text_of(opened("table-3", "full"))
    assert "Broad Bioimage Benchmark Collection" in text
    assert "--name bbbc021-nocodazole" in text


def test_the_full_button_without_data_says_what_is_missing_and_queues_nothing():
    from ssrl_core.runs import registry

    test = opened("table-3")
    test = test.button(key="paper-run-full").click().run()
    assert any("is needed" in w.value for w in test.warning)
    assert registry.counts() == {}


def test_an_unknown_item_in_the_address_opens_a_known_one():
    assert "Table 2" in next(s.value for s in opened("table-99").subheader)
