"""The items, one file each; a new one is its file and its row here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from ssrl_core.paper.authors import with_reading
from ssrl_core.paper.item import Item

IDS = (*(f"table-{n}" for n in range(1, 9)), *(f"figure-{n}" for n in range(1, 13)))


class _Items(Mapping[str, Item]):
    """id -> item, each read when it is first asked for."""

    def __getitem__(self, name: str) -> Item:
        if name not in IDS:
            raise KeyError(name)
        found: Item = import_module(f"{__name__}.{name.replace('-', '_')}").ITEM
        return with_reading(found)

    def __iter__(self) -> Iterator[str]:
        return iter(IDS)

    def __len__(self) -> int:
        return len(IDS)


ITEMS: Mapping[str, Item] = _Items()
