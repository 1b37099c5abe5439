"""Which images pair: two views of different images that share a value count as equal (`pair` of a composition).

The first view of an image is of the image itself, every other one of a partner, drawn like all else. What one calls
equal is supervision: pairs of one compound teach a network that nothing within a compound matters.

Sources:
    WS-DINO (Cross-Zamirski et al. 2022, arXiv:2209.07819): the compound as weak label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from ssrl_core.compositions import Array
from ssrl_core.compositions.draws import Draws, draw
from ssrl_core.compositions.random_numbers import unit
from ssrl_core.errors import SpecError
from ssrl_core.specs.composition import IMAGE, Composition
from ssrl_core.specs.run import RunSpec

_NOBODY = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Partners:
    """Images that share a value, and who draws whom.

    Attributes:
        column: the column whose value they share.
        codes: (N,) the value of each image, -1 where it has none.
        order, starts, sizes: the images that may be drawn, those of one value in a row; of each value where its row
            begins in `order`, and how long it is.
        places: (N,) the place of an image in the row of its value, -1 where it may not be drawn.
    """

    column: str
    codes: Array
    order: Array
    starts: Array
    sizes: Array
    places: Array

    def others(self, ids: Array) -> Array:
        """(B,) how many other images each can pair with."""
        codes = self.codes[ids]
        found: Array = np.where(codes >= 0, self.sizes[np.maximum(codes, 0)], 0) - (self.places[ids] >= 0)
        return np.maximum(found, 0)

    def draw(self, ids: Array, words: Array) -> Array:
        """The image of each view.

        Partners of one image are different images until all that share its value were drawn, then they begin anew. An
        image whose value nobody shares pairs with itself.

        Args:
            ids: (B,).
            words: (V, B) of randomness; that of the first view is not used.

        Returns:
            (V, B) image ids; the first row is `ids`.
        """
        found = np.broadcast_to(ids, words.shape).copy()
        others = self.others(ids)
        count = np.maximum(others, 1)
        taken = np.full(words.shape, _NOBODY)
        taken[0] = np.where(self.places[ids] >= 0, self.places[ids], _NOBODY)
        start = self.starts[np.maximum(self.codes[ids], 0)]
        for view in range(1, len(words)):
            turn = (view - 1) % count
            taken[1:, turn == 0] = _NOBODY
            place = np.minimum((unit(words[view]) * (count - turn)).astype(np.int64), count - turn - 1)
            for gone in np.sort(taken[:view], axis=0):
                place += place >= gone
            taken[view] = place
            drawn = np.minimum(start + place, len(self.order) - 1)
            found[view] = np.where(others == 0, ids, self.order[drawn])
        return found


def partners(images: Any, composition: Composition, among: Array) -> Partners | None:
    """Who can pair with whom under a composition; None where views of one image are a pair.

    Args:
        images: an image set, or part of one: anything with a `table` of a row an image.
        among: ids of the images that may be drawn: those that a run learns from.

    Raises:
        SpecError: the images have no such column, or it says nothing of any of them.
    """
    if composition.pair == IMAGE:
        return None
    codes = _codes(images, composition)
    among = np.asarray(among, np.int64)
    known = among[codes[among] >= 0]
    if not len(known):
        _refuse(composition, "a column that is filled for these images", "Choose another column, or pair: image.")
    order = known[np.argsort(codes[known], kind="stable")]
    sizes = np.bincount(codes[order], minlength=int(codes.max()) + 1)
    starts = np.cumsum(sizes) - sizes
    places = np.full(len(codes), -1, np.int64)
    places[order] = np.arange(len(order)) - starts[codes[order]]
    return Partners(composition.pair, codes, order, starts, sizes, places)


def pair_columns(images: Any) -> list[str]:
    """Columns whose values different images share, those with a meaning first; none of numbers of many values."""
    from ssrl_core.datasets.columns import OWN_COLUMNS

    table = images.table
    first = [name for name in ("well", "compound", "treatment", "mechanism", "plate") if name in table]
    others = [str(c) for c in table.columns if c not in (*first, *OWN_COLUMNS, "source")]
    kinds = {name: table[name].nunique() for name in (*first, *others)}
    few = max(2, min(1000, len(table) // 2))
    return [name for name in (*first, *others) if 1 <= kinds[name] <= few and not _measured(table[name], kinds[name])]


def _measured(values: Any, kinds: int) -> bool:
    return values.dtype.kind == "f" and kinds > 20


def draw_shown(
    images: Any, composition: Composition, image_ids: Any, *, seed: int, epoch: int = 0, term: int = 0
) -> Draws:
    """`draws.draw` for looking at views: partners are among all images that may be learnt from.

    The views are made of the pixels of `Draws.needed`.
    """
    found = None
    if composition.pairs_others:
        found = partners(images, composition, _learnt_from(images, composition))
    return draw(composition, image_ids, seed=seed, epoch=epoch, term=term, partners=found)


def _learnt_from(images: Any, composition: Composition) -> Array:
    check_pair(images, composition)
    train = getattr(images, "split_ids", lambda split: ())("train")
    return np.asarray(train, np.int64) if len(train) else np.arange(len(images.table))


def pair_words(found: Partners | None, among: Array) -> list[str]:
    """What is said of the pairs before a run: images that only pair with themselves, values that nobody shares."""
    if found is None:
        return []
    ids = np.asarray(among, np.int64)
    alone = int((found.others(ids) == 0).sum())
    if not alone:
        return []
    return [
        f"{alone:,} of {len(ids):,} images share their {found.column} with no other image to learn from and pair with "
        "themselves"
    ]


_SCREENED = {
    "compound": "that replicates of a compound agree",
    "well": "that cells of a well agree",
    "mechanism": "that compounds of a mechanism find each other",
}


@dataclass(frozen=True)
class Taught:
    """A score that pairs taught.

    Attributes:
        column: whose values the pairs share; what: what is taught, in words.
        apart: the column whose values are to be left out of learning, so that the score is found.
    """

    column: str
    what: str
    apart: str

    @property
    def words(self) -> str:
        """`Pairs share their compound, so that replicates of a compound agree is taught, not found`."""
        return f"Pairs share their {self.column}, so {self.what} is taught, not found"


def taught_by_pairs(spec: RunSpec, imageset: Any, screen: Mapping[str, Any]) -> list[Taught]:
    """Scores of a screen that a run's pairs taught it, but for those that are asked of what it did not learn from.

    Args:
        screen: the recipe of the screen.
    """
    from ssrl_core.datasets.columns import column_of

    found, table = [], imageset.table
    for column in _paired(spec):
        meaning = _screened(column, screen)
        if not meaning:
            continue
        apart = column_of(table, "compound") if meaning == "mechanism" else column
        if screen.get("images") != "held_out" or not _kept_whole(table, apart):
            found.append(Taught(column, _SCREENED[meaning], apart))
    return found


def circular_words(spec: RunSpec, imageset: Any) -> list[str]:
    """Which scores of a run are what its pairs taught it, and how one asks honestly."""
    asked = spec.evaluate.parts.get("screen")
    taught = taught_by_pairs(spec, imageset, asked) if asked else []
    label = getattr(imageset, "whole", imageset).meta.get("label")
    supervised = [
        f"Pairs share their {column}, the label: the training is supervised, and its scores say how well"
        for column in _paired(spec)
        if column == label and not (asked and _screened(column, asked))
    ]
    return [
        *(
            f"{one.words}. To ask it of those that are left out: data subset {imageset.name} --all --group "
            f"{one.apart} --name NEW, and screen: {{images: held_out}}"
            for one in taught
        ),
        *supervised,
    ]


def _paired(spec: RunSpec) -> list[str]:
    """What a run's pairs share, each once, `image` among them."""
    return list(dict.fromkeys(term.composition.pair for term in spec.terms if term.weight > 0))


def _screened(column: str, screen: Mapping[str, Any]) -> str:
    """What a column means to a screen's scores: a key of `_SCREENED`, "" where nothing."""
    from ssrl_core.datasets.columns import meaning_of

    meaning = "mechanism" if column == screen.get("mechanism") else meaning_of(column)
    return meaning if meaning in _SCREENED else ""


def _kept_whole(table: Any, column: str) -> bool:
    """Whether no value of treated images is both learnt from and not."""
    from ssrl_core.datasets.columns import untreated

    treated = table[~untreated(table)]
    learnt = treated["split"] == "train"
    return column in table and not set(treated[column][learnt]) & set(treated[column][~learnt])


def check_pair(images: Any, composition: Composition) -> None:
    """Refuse a pair by a column that the images do not have.

    Raises:
        SpecError: naming the columns that there are.
    """
    if composition.pair != IMAGE:
        _values(images, composition)


def _codes(images: Any, composition: Composition) -> Array:
    """(N,) number of each image's value, -1 where it has none."""
    import pandas as pd

    codes, _ = pd.factorize(_values(images, composition), sort=True)
    return np.asarray(codes, np.int64)


def _values(images: Any, composition: Composition) -> Any:
    from ssrl_core.datasets.columns import OWN_COLUMNS
    from ssrl_core.datasets.splits import well_names

    table, name = getattr(images, "table", None), composition.pair
    if table is None:
        _refuse(composition, "image for images without a table", "Name an image set, or set pair: image.")
    if name == "well" and name in table:
        wells = well_names(table)
        return table[name] if wells is None else wells
    if name not in table:
        own = {*OWN_COLUMNS} - {"source"}
        known = ", ".join(str(column) for column in [c for c in table.columns if c not in own][:20])
        _refuse(composition, f"image or a column of the table ({known})", "Choose one of these.")
    values = table[name]
    return values.where(values.notna() & (values.astype(str).str.strip() != ""), None)


def _refuse(composition: Composition, rule: str, remedy: str) -> NoReturn:
    raise SpecError.at(f'Composition "{composition.name}"', "pair", rule, composition.pair, remedy)
