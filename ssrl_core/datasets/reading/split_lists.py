"""Splits that a collection keeps in lists of file names: `meta/train.txt`, `test_list.txt`, CUB's numbered images."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence

from ssrl_core.datasets.reading.source import Tree
from ssrl_core.datasets.splits import split_word

_ENDINGS = (".txt", ".lst", ".csv")
_MOST_BYTES, _MOST_LISTS = 64_000_000, 40
_RESOLVED = 0.9  # of a list's lines, from which it lists images
_NUMBERED = ("images.txt", "train_test_split.txt")  # number and file, number and 1 (train) or 0


def listed_splits(tree: Tree, paths: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The split of each image that lists name, and the lists; empty where they give no train and another for most.

    Args:
        paths: the images of the tree.
    """
    lists = _lists(tree.files)
    numbered = _numbered(tree)
    if not lists and not numbered:
        return {}, []
    known = _names_of(paths)
    found = _by_numbers(tree, numbered, known) if numbered else {}
    used = numbered if found else []
    for path, split in {} if found else lists.items():
        named = _named(tree, path, known)
        for image in named:
            found[image] = split if found.get(image, split) == split else ""
        used += [path] if named else []
    found = {image: split for image, split in found.items() if split}
    whole = "train" in found.values() and len(set(found.values())) > 1 and len(found) > len(paths) / 2
    return (found, used) if whole else ({}, [])


def _lists(files: Sequence[str]) -> dict[str, str]:
    """Lists whose names say a split; of `train1.txt`, `train2.txt` … the first, `trainval` only where it is needed."""
    found: dict[str, tuple[str, bool, str]] = {}
    for path in files:
        stem, ending = posixpath.splitext(posixpath.basename(path))
        if ending.lower() not in _ENDINGS:
            continue
        text = re.sub(r"train[ _-]?val", "trainval", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", stem).lower())
        said = {split_word(word) or ("train" if word == "trainval" else None) for word in re.findall("[a-z]+", text)}
        said.discard(None)
        if len(said) == 1:
            number = re.search(r"\d+", stem)
            found[path] = (str(said.pop()), "trainval" in text, number[0] if number else "")
    if any(split == "train" and not both for split, both, _ in found.values()):
        found = {path: row for path, row in found.items() if not row[1]}
    numbers = sorted({number for _, _, number in found.values()}, key=lambda text: int(text or 0))
    kept = {path: split for path, (split, _, number) in found.items() if number == (numbers or [""])[0]}
    return dict(list(kept.items())[:_MOST_LISTS])


def _numbered(tree: Tree) -> list[str]:
    """CUB-200's two lists, which lie beside each other."""
    for path in tree.files:
        folder, name = posixpath.split(path)
        other = posixpath.join(folder, _NUMBERED[1])
        if name == _NUMBERED[0] and tree.holds(other):
            return [path, other]
    return []


def _by_numbers(tree: Tree, lists: Sequence[str], known: Mapping[str, str | None]) -> dict[str, str]:
    pairs = [[line.split(maxsplit=1) for line in _lines(tree, path)] for path in lists]
    files, flags = ({p[0]: p[1].strip() for p in some if len(p) == 2} for some in pairs)
    rows = [
        (known.get(_plain(name)), flags[number]) for number, name in files.items() if flags.get(number) in ("0", "1")
    ]
    return {path: "train" if flag == "1" else "test" for path, flag in rows if path is not None}


def _named(tree: Tree, path: str, known: Mapping[str, str | None]) -> list[str]:
    """The images that the lines of a list name; none where most lines name no image."""
    lines = _lines(tree, path)
    found = [known.get(_plain(line)) or known.get(_plain(re.split(r"[\s,;]", line)[0])) for line in lines]
    images = [image for image in found if image]
    return images if images and len(images) >= _RESOLVED * len(lines) else []


def _lines(tree: Tree, path: str) -> list[str]:
    try:
        with tree.open(path) as file:
            data = file.read(_MOST_BYTES)
    except OSError:
        return []
    return [line.strip() for line in data.decode("utf-8", "replace").splitlines() if line.strip()]


def _plain(name: str) -> str:
    """As names are looked up: without ending, without the mark of the folder that one is in."""
    return posixpath.splitext(name.strip().strip('"').replace("\\", "/").removeprefix("./"))[0]


def _names_of(paths: Sequence[str]) -> dict[str, str | None]:
    """What a list may call each image: any end of its path, without the ending; None where that means several."""
    known: dict[str, str | None] = {}
    for path in paths:
        parts = posixpath.splitext(path)[0].split("/")
        for start in range(len(parts)):
            name = "/".join(parts[start:])
            known[name] = path if name not in known else None
    return known
