"""Names with commas between them, and in them."""

import pytest

from ssrl_core.cli.name_lists import names_in
from ssrl_core.errors import SpecError


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("DNA", ["DNA"]),
        ("DNA, actin ,ER", ["DNA", "actin", "ER"]),
        ('"DAPI, 405",actin', ["DAPI, 405", "actin"]),
        ('actin, "DAPI, 405"', ["actin", "DAPI, 405"]),
        ('5" disk,b', ['5" disk', "b"]),
        ('"a ""b"", c",d', ['a "b", c', "d"]),
        ("a,,b", ["a", "", "b"]),
        ("", [""]),
    ],
)
def test_a_name_with_a_comma_stands_in_quotes(text, names):
    assert names_in(text, where="t", field="--names") == names


@pytest.mark.parametrize("text", ['"DAPI, 405', '"DAPI"x,b', "a\nb"])
def test_quotes_that_are_not_closed_are_named(text):
    with pytest.raises(SpecError, match="t: --names must be names with commas between them"):
        names_in(text, where="t", field="--names")
