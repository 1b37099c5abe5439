"""Everything that can go wrong in a way the user can understand.

SSRLError
├── SpecError   the user can mend it: shown where it was made
├── DataError   a file or an image set is not what it should be; names the file
├── AccessError who asks may not do this
├── RunError    a training or a job failed; names the run and its log
└── Stopped     somebody asked for the stop while we waited

A message names place, rule, value and remedy. Anything else that is raised is a bug and shows itself.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self


class SSRLError(Exception):
    """An error that a user can read.

    Args:
        message: the whole text; left out, it is put together as
            `{where}: {field} must be {rule}, got {value!r}. {remedy}`.
        where: the place, e.g. `Composition "strong-crop", step 2 color_jitter`.
        field: the setting that is wrong, e.g. `hue`.
        rule: what it must be, e.g. `in 0..0.5`.
        value: what was found.
        remedy: a sentence that says what to do.
    """

    exit_code = 1

    def __init__(
        self,
        message: str = "",
        *,
        where: str = "",
        field: str = "",
        rule: str = "",
        value: Any = None,
        remedy: str = "",
    ) -> None:
        self.where, self.field, self.rule, self.value, self.remedy = where, field, rule, value, remedy
        self.message = message or self._compose()
        super().__init__(self.message)

    @classmethod
    def at(cls, where: str, field: str, rule: str, value: Any, remedy: str = "") -> Self:
        """The error `{where}: {field} must be {rule}, got {value!r}. {remedy}`."""
        return cls(where=where, field=field, rule=rule, value=value, remedy=remedy)

    def _compose(self) -> str:
        place = f"{self.where}: " if self.where else ""
        text = f"{place}{self.field} must be {self.rule}, got {_short(self.value)}."
        return f"{text} {self.remedy}".strip()

    def as_dict(self) -> dict[str, Any]:
        """The error as JSON-able fields (docs/contracts.md C11)."""
        value = self.value if isinstance(self.value, str | int | float | bool | None) else _short(self.value)
        if isinstance(value, float) and value - value != 0:
            value = repr(value)
        return {
            "type": type(self).__name__,
            "where": self.where,
            "field": self.field,
            "rule": self.rule,
            "value": value,
            "remedy": self.remedy,
            "message": self.message,
        }


class SpecError(SSRLError):
    """A composition, a spec or a choice that the user can mend."""

    exit_code = 2


class DataError(SSRLError):
    """A file or an image set that is not what it should be."""

    exit_code = 2


class AccessError(SSRLError):
    """Something that who asks may not do: a viewer who would change something, a file of the server below no root."""

    exit_code = 2


class RunError(SSRLError):
    """A training or a job that failed; `where` names the run."""


class Stopped(SSRLError):
    """The run was stopped by request while it was waited for."""

    exit_code = 3


_MAKE_ROOM = "Make room: delete runs or image sets, or name a place on a larger disk (stores: SSRL_MODELS, SSRL_DATA)."
_NOT_WRITTEN = {
    errno.ENOSPC: ("the disk is full", _MAKE_ROOM),
    errno.EDQUOT: ("the quota of this disk is used up", _MAKE_ROOM),
    errno.EFBIG: ("this disk takes no file so large", _MAKE_ROOM),
    errno.EROFS: ("it is read-only", "Mount it for writing, or name another store (SSRL_MODELS, SSRL_DATA)."),
    errno.EACCES: ("this account has no right to it", "Ask for that right, or name another store or file."),
    errno.EPERM: ("this account has no right to it", "Ask for that right, or name another store or file."),
}


def not_written(error: OSError) -> RunError | None:
    """What a disk that takes nothing says, as a sentence; None for any other trouble, which is a bug and shows itself.

    Of a file with a hidden name (a lock, one of the moment) the folder is named.
    """
    if error.errno not in _NOT_WRITTEN:
        return None
    why, remedy = _NOT_WRITTEN[error.errno]
    name = Path(str(error.filename)) if error.filename else None
    while name and any(part.startswith(".") for part in name.parts[-2:]):
        name = name.parent
    place = f"{name}: " if name else ""
    text = f"{why}, so nothing was written. {remedy}"
    return RunError(place + (text if place else text[:1].upper() + text[1:]), where=str(name or ""), remedy=remedy)


def some_of(items: Iterable[object], most: int = 5, *, sep: str = ", ") -> str:
    """`a, b, c`; of more than `most` the first, and how many others there are: `a, b, c and 4 more`."""
    every = [str(item) for item in items]
    shown = sep.join(every[:most])
    return f"{shown} and {len(every) - most:,} more" if len(every) > most else shown


def value_words(value: object) -> str:
    """A value of a setting: a number in three digits, else as it is."""
    return f"{value:.3g}" if isinstance(value, int | float) else str(value)


def shortened(text: str, limit: int = 100) -> str:
    """A text of at most so many letters; what is cut off ends in `…`."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _short(value: Any) -> str:
    return shortened(repr(value), 120)
