"""YAML in and out: 1.2 scalars, one canonical writer, nothing dangerous."""

import math
import os

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ssrl_core.errors import SpecError
from ssrl_core.specs import composition, run, wishes, yaml_files
from ssrl_core.specs.yaml_files import dump_yaml, parse_yaml

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
texts = st.text(max_size=20)
flat = st.dictionaries(texts, scalars | st.lists(scalars, max_size=4), max_size=4)
documents = st.dictionaries(
    texts,
    scalars | st.lists(scalars | flat, max_size=3) | flat | st.dictionaries(texts, flat, max_size=3),
    min_size=1,
    max_size=4,
)


def _no_surrogates(value):
    if isinstance(value, str):
        return not any(0xD800 <= ord(c) <= 0xDFFF for c in value)
    if isinstance(value, dict):
        return all(_no_surrogates(k) and _no_surrogates(v) for k, v in value.items())
    if isinstance(value, list):
        return all(_no_surrogates(v) for v in value)
    return True


@given(documents.filter(_no_surrogates))
def test_what_we_write_comes_back_and_is_written_the_same_again(document):
    text = dump_yaml(document)
    again = parse_yaml(text, "test")
    assert again == document
    assert dump_yaml(again) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1.0e-4", 1e-4),
        (".5", 0.5),
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("~", None),
        ("0o17", 15),
        ("017", 17),
        ("0x1f", 31),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2026-01-01", "2026-01-01"),
        ("-3", -3),
    ],
)
def test_scalars_are_read_as_yaml_1_2_has_them(text, value):
    assert parse_yaml(f"a: {text}", "test") == {"a": value}


def test_infinity_is_read_as_a_number_for_the_rules_to_refuse():
    assert math.isinf(parse_yaml("a: .inf", "test")["a"])


@pytest.mark.parametrize(
    "text",
    [
        "a: &x 1\nb: *x",
        "a: !!python/object/apply:os.system ['true']",
        "a: !t 1",
        "a: 1\na: 2",
        '{"a": 1, "a": 2}',
        '{"a": NaN}',
        "1: 2",
        "a: [1, 2",
        "a: 'x",
        "? [a, b]\n: 1",
        "[" * 3000,
        "a: \x00",
    ],
)
def test_what_is_dangerous_or_broken_is_refused_with_the_place(text):
    with pytest.raises(SpecError, match="here"):
        parse_yaml(text, "here")


def test_json_with_tabs_is_read():
    assert parse_yaml('{\n\t"a": [1, 2]\n}', "test") == {"a": [1, 2]}


def test_a_large_file_and_other_encodings_are_refused():
    with pytest.raises(SpecError, match="at most 1 MB"):
        parse_yaml("a" * 1_000_001, "test")
    with pytest.raises(SpecError, match="UTF-8"):
        parse_yaml(b"\xff\xfea", "test")


def test_many_keys_are_read_in_linear_time():
    """Looked up one by one in a list, 60,000 keys took a minute."""
    small, large = (_lookups(count) for count in (500, 2000))
    assert large == pytest.approx(4 * small, rel=0.1)


def _lookups(count):
    """How often keys are compared while a mapping of so many keys is read."""

    class Key(str):
        compared = 0

        def __eq__(self, other):
            Key.compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    loader = yaml_files._loader("test")
    loader.construct_scalar = lambda self, node: Key(node.value)
    loader.add_constructor("tag:yaml.org,2002:str", lambda self, node: Key(node.value))
    yaml.load("".join(f"k{number}: a\n" for number in range(count)), Loader=loader)
    return Key.compared + count


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.mkdir(), "a folder or a device"),
        (lambda path: os.mkfifo(path), "a folder or a device"),
        (lambda path: None, "got 'nothing'"),
        (lambda path: path.write_bytes(b"a" * 1_000_001), "at most 1 MB"),
        (lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 5_000_000_000), "got '5000000000 bytes'"),
    ],
)
def test_only_files_are_read_and_no_more_of_them_than_they_may_hold(tmp_path, make, words):
    make(tmp_path / "spec.yaml")
    with pytest.raises(SpecError, match=words):
        yaml_files.read_yaml(tmp_path / "spec.yaml", "spec")


@pytest.mark.parametrize("text", ["root:x:0:0:root:/root", "- a\n- secret", "secret", "1234"])
def test_a_message_does_not_repeat_a_file_that_is_no_spec(tmp_path, text):
    """A path on a server may be anybody's file."""
    path = tmp_path / "passwd"
    path.write_text(text, encoding="utf-8")
    for read in (composition.load, run.load_run, wishes.load_wishes):
        with pytest.raises(SpecError) as refused:
            read(str(path))
        assert not any(word in str(refused.value) for word in ("root:x", "secret", "1234"))
