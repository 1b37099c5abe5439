"""Reading YAML and JSON that people write, and the one way we write it.

Read: YAML 1.2 scalars (PyYAML alone takes `1e-4` for text and `no` for false), no tags, no aliases, no key twice, at
most 1 MB. Written: one canonical form, so that what Viewloom wrote comes back byte for byte.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ssrl_core.errors import SpecError

MAX_BYTES = 1_000_000

_NULL = re.compile(r"^(?:~|null|Null|NULL|)$")
_BOOL = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
_INT = re.compile(r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$")
_FLOAT = re.compile(
    r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
_PLAIN = re.compile(r"^[A-Za-z_][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./+-]+)*$")
_SPECIAL = {
    "y",
    "n",
    "yes",
    "no",
    "on",
    "off",
    "true",
    "false",
    "null",
}  # bare, other readers take these for something else


def parse_yaml(text: str | bytes, where: str) -> Any:
    """The data in a YAML or JSON text: mappings, lists, text, numbers, booleans, None.

    Args:
        where: what the text is, for messages.

    Raises:
        SpecError: not UTF-8, too large, not YAML, or with tags, aliases, doubled or non-text keys.
    """
    content = _decoded(text, where)
    if content.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(content, object_pairs_hook=_unique(where), parse_constant=_refuse_constant(where))
        except (ValueError, RecursionError):
            pass  # flow-style YAML starts with a bracket too
    try:
        return yaml.load(content, Loader=_loader(where))
    except yaml.YAMLError as error:
        raise SpecError(f"{where}: this is not YAML: {_place(error)}. Correct that line.") from error
    except RecursionError as error:
        raise SpecError(f"{where}: nested too deeply to be a spec. Flatten it.") from error
    except (ValueError, OverflowError) as error:
        raise SpecError(f"{where}: a number cannot be read ({error}). Correct it.") from error


def read_yaml(path: Path, what: str) -> Any:
    """The data in a YAML or JSON file; no more of it is read than such a file may hold.

    Args:
        what: what it should be, for messages: "spec", "composition" …

    Raises:
        SpecError: no such file, a folder or a device, too large, or not YAML (`parse_yaml`).
    """
    return parse_yaml(read_at_most(path, what), str(path))


def read_at_most(path: Path, what: str) -> bytes:
    """The bytes of a file that a person wrote.

    Raises:
        SpecError: no such file, no regular file (a folder, a device, a pipe), or more than 1 MB.
    """
    where = str(path)
    try:
        if not path.is_file():  # a device or a pipe has no end
            found = "a folder or a device" if path.exists() else "nothing"
            raise SpecError.at(where, what, "a readable file", found, "Check the name.")
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SpecError.at(where, what, "a readable file", reason, "Check the name.") from error
    if len(content) > MAX_BYTES:
        raise SpecError.at(where, what, "at most 1 MB", f"{path.stat().st_size} bytes", "Give a smaller file.")
    return content


def kind_of(data: Any) -> str:
    """What a document is, in words, for messages about a file that may be anybody's: its content is not repeated."""
    kinds = {type(None): "an empty file", str: "a text", list: "a list", bool: "true or false"}
    return kinds.get(type(data), "a number" if isinstance(data, int | float) else "a mapping")


def dump_yaml(data: Any) -> str:
    """The canonical YAML text of a mapping: block style on top, flow style for what fits on a line."""
    return "".join(line + "\n" for line in _block(data, 0))


def _decoded(text: str | bytes, where: str) -> str:
    size = len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise SpecError.at(where, "file", "at most 1 MB", f"{size} bytes", "Give a smaller file.")
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError(f"{where}: this is not a text file in UTF-8 ({error.reason} at byte {error.start}).") from error


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else str(problem)


def _unique(where: str) -> Any:
    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in pairs:
            if key in result:
                raise SpecError(f"{where}: the key {key!r} stands twice. Keep one.")
            result[key] = value
        return result

    return collect


def _refuse_constant(where: str) -> Any:
    def refuse(name: str) -> Any:
        raise SpecError(f"{where}: {name} is not a number that a spec may hold. Use null or a finite number.")

    return refuse


def _loader(where: str) -> Any:
    """A loader class of its own for each text, so that messages can name the text."""

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers = {}  # noqa: RUF012  none of PyYAML's own

        def compose_node(self, parent: Any, index: Any) -> Any:
            event = self.peek_event()  # type: ignore[no-untyped-call]
            place = f"{where}: line {event.start_mark.line + 1}"
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise SpecError(f"{place}: aliases (& and *) are not read. Write it out.")
            if getattr(event, "tag", None):
                raise SpecError(f"{place}: tags (!) are not read. Remove {event.tag!r}.")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            before: set[str] = set()
            for key_node, _ in node.value:
                key = self.construct_object(key_node, deep=True)
                if not isinstance(key, str):
                    line = key_node.start_mark.line + 1
                    raise SpecError(f"{where}: line {line}: a key must be text, got {key!r}. Put it in quotes.")
                if key in before:
                    raise SpecError(f"{where}: the key {key!r} stands twice. Keep one.")
                before.add(key)
            return super().construct_mapping(node, deep=deep)

    for tag, pattern in (("null", _NULL), ("bool", _BOOL), ("int", _INT), ("float", _FLOAT)):
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", pattern, None)
    Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
    Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)
    return Loader


def _construct_int(loader: Any, node: Any) -> int:
    text = loader.construct_scalar(node)
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


def _construct_float(loader: Any, node: Any) -> float:
    return float(
        loader.construct_scalar(node)
        .replace(".inf", "inf")
        .replace(".Inf", "inf")
        .replace(".INF", "inf")
        .replace(".n", "n")
        .replace(".N", "N")
    )


def _block(data: Any, indent: int) -> list[str]:
    pad = "  " * indent
    lines: list[str] = []
    for key, value in data.items():
        name = f"{pad}{_scalar(str(key))}:"
        if _is_inline(value):
            lines.append(f"{name} {_flow(value)}")
        elif isinstance(value, dict):
            lines += [name, *_block(value, indent + 1)]
        else:
            lines.append(name)
            for item in value:
                lines += _item(item, indent + 1)
    return lines


def _item(item: Any, indent: int) -> list[str]:
    pad = "  " * indent
    if _is_inline(item):
        return [f"{pad}- {_flow(item)}"]
    if isinstance(item, dict):
        lines = _block(item, indent + 1)
        return [f"{pad}- {lines[0].lstrip()}", *lines[1:]]
    return [f"{pad}- {_flow(item)}"]


def _is_inline(value: Any) -> bool:
    """Scalars, lists of scalars, and mappings of those."""
    if isinstance(value, dict):
        return all(_is_flat(item) for item in value.values())
    return _is_flat(value)


def _is_flat(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(not isinstance(item, dict | list | tuple) for item in value)
    return not isinstance(value, dict)


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(str(key))}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number(value)
    text = str(value)
    if _PLAIN.match(text) and text.lower() not in _SPECIAL:
        return text
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise SpecError(f"{value} cannot be written. Use null or a finite number.")
    text = repr(value)
    mantissa, letter, exponent = text.partition("e")
    return f"{mantissa}.0e{exponent}" if letter and "." not in mantissa else text


def _escaped(character: str) -> str:
    code = ord(character)
    if character in '"\\':
        return "\\" + character
    if character == "\n":
        return "\\n"
    if character.isprintable() and not 0xD800 <= code <= 0xDFFF:
        return character
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def flat(data: Any, prefix: str = "") -> dict[str, Any]:
    """Plain nested data as {dotted path: value}; empty lists and mappings are values."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    found: dict[str, Any] = {}
    for key, value in items:
        found |= flat(value, f"{prefix}{key}.")
    return found or ({prefix.removesuffix("."): data} if prefix else {})


def differences(documents: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Where flat documents differ: path -> its value in each, None where one has no such path; in their order."""
    paths = dict.fromkeys(path for document in documents for path in document)
    found = {path: [document.get(path) for document in documents] for path in paths}
    return {path: values for path, values in found.items() if any(value != values[0] for value in values[1:])}
