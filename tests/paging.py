"""Pages without a browser: one is opened by its address and what it says is read."""

from collections.abc import Callable, Mapping
from typing import Any

from streamlit.testing.v1 import AppTest

from tests.kit import ROOT


def opened(page: str, address: Mapping[str, str | None], **session: Any) -> AppTest:
    """A page as somebody sees it who follows a link.

    Args:
        page: its file, "pages/4_Clusters.py".
        address: the link's query; what is None is left out.
        session: what its widgets and the visit hold already.
    """
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    for name, value in address.items():
        if value is not None:
            test.query_params[name] = value
    test = test.run().switch_page(page)
    for name, value in session.items():
        test.session_state[name] = value
    test = test.run()
    assert not test.exception, test.exception[0].value if test.exception else ""
    return test


def drawn(form: Callable[[], None], **session: Any) -> AppTest:
    """A part of a page by itself.

    Args:
        form: draws it; its imports are inside.
        session: what its widgets hold already.
    """
    test = AppTest.from_function(form, default_timeout=90)
    for name, value in session.items():
        test.session_state[name] = value
    test.run()
    assert not test.exception, test.exception[0].value
    return test


def text_of(test: AppTest) -> str:
    """All that the page says."""
    blocks = [str(block.proto.body) for block in test.get("html")]
    return " ".join([*blocks, *(m.value for m in test.main if hasattr(m, "value") and isinstance(m.value, str))])
