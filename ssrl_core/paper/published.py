"""The published numbers, accuracies as shares (the file has percent, as the paper)."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any

from ssrl_core.paper.item import Row

PERCENT = ("top1",)


@lru_cache(maxsize=1)
def published() -> dict[str, Any]:
    """`published.json` as it is."""
    return dict(json.loads(files("ssrl_core.paper").joinpath("published.json").read_text(encoding="utf-8")))


def rows_of(table: str, keys: tuple[str, ...], columns: tuple[str, ...] | None = None) -> list[Row]:
    """Rows of a table whose keys hold a list of numbers, one a column.

    Args:
        table: e.g. `table_2_mnist`. keys: the rows; columns: names, by default those of the file. Columns named in
            `PERCENT` are divided by 100.
    """
    data = published()[table]
    names = columns or tuple(data["columns"])
    return [
        Row(key, name, value / 100 if name in PERCENT else value)
        for key in keys
        for name, value in zip(names, data[key], strict=True)
    ]


def nested_rows(table: str, group: str) -> list[Row]:
    """Rows `method backbone` of tables 3 and 4."""
    data = published()[table]
    return [
        Row(f"{group} · {method} {backbone}", column, value)
        for method, backbones in data[group].items()
        for backbone, values in backbones.items()
        for column, value in zip(data["columns"], values, strict=True)
    ]


def pretrained_rows(table: str) -> list[Row]:
    """The ImageNet rows of tables 3 and 4."""
    data = published()[table]
    return [
        Row(f"ImageNet {backbone}", column, value)
        for backbone, values in data["imagenet_pretrained"].items()
        for column, value in zip(data["columns"], values, strict=True)
    ]
