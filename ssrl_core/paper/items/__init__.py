"""The items, one file each; a new one is its file and its row here. Figure 11 is figure 1 of more, and stands there."""

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
        module, item = ("figure_1", "FIGURE_11") if name == "figure-11" else (name.replace("-", "_"), "ITEM")
        return with_reading(getattr(import_module(f"{__name__}.{module}"), item))

    def __iter__(self) -> Iterator[str]:
        return iter(IDS)

    def __len__(self) -> int:
        return len(IDS)


ITEMS: Mapping[str, Item] = _Items()
