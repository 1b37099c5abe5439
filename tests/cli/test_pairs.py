"""Names with commas between (and in) them, and COLUMN=VALUE, on the command line."""

import pytest

from ssrl_core.cli.output import names_in, pair, several
from ssrl_core.errors import SpecError


def test_the_first_sign_parts_column_and_value():
    assert pair(" note = a=b ", where="x") == ("note", "a=b")
    assert pair("note=", where="x") == ("note", "")


def test_a_column_named_twice_gets_all_its_values():
    assert several(["compound=DMSO, taxol", "plate=1", "compound=aphidicolin"], where="x") == {
        "compound": ["DMSO", "taxol", "aphidicolin"],
        "plate": ["1"],
    }
    assert several([], where="x") is None


def test_a_value_with_a_comma_stands_in_quotes():
    text = 'compound="5,6-dichloro-benzotriazole", DMSO'
    assert several([text], where="x") == {"compound": ["5,6-dichloro-benzotriazole", "DMSO"]}
    assert several(["compound="], where="x") == {"compound": [""]}
    with pytest.raises(SpecError, match="quotes"):
        several(['compound="5,6'], where="x")


@pytest.mark.parametrize("text", ["plate", "=1", " =1"])
def test_what_is_no_pair_is_refused_with_what_was_written(text):
    with pytest.raises(SpecError) as caught:
        several([text], where="data cells")
    assert (caught.value.where, caught.value.field, caught.value.value) == ("data cells", "--where", text)


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
