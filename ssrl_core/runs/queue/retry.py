"""Once more with smaller parts of a batch, after the memory did not suffice: only where the user allowed it.

Allowed by a tag of the spec, `tags: {on_memory: accumulate}`. It is another run, because methods that compare images of
one batch with each other learn something else from its parts: the first stays failed and says which run took over.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from ssrl_core.runs.queue import registry, submitting, sweep_files
from ssrl_core.runs.queue.identity import identify, spec_of_text

TAG, ALLOWED = "on_memory", "accumulate"
_FITS = re.compile(r"set accumulate to (\d+)")


def after_failure(row: dict[str, Any], message: str) -> str | None:
    """Queue the run again in smaller parts, if that would help and is allowed.

    Args:
        row: of the registry, all columns.
        message: why it failed; the training says which parts fit.

    Returns:
        What to add to the reason of the failed run, or None.
    """
    found = _FITS.search(message)
    if found is None:
        return None
    spec = spec_of_text(str(row["spec"]))
    if spec.tags.get(TAG) != ALLOWED or int(found[1]) <= spec.accumulate:
        return None
    smaller = dataclasses.replace(spec, accumulate=int(found[1]))
    wanted = identify(smaller)
    registry.transact(
        lambda connection: submitting.enqueue(connection, wanted, priority=row["priority"], sweep_id=row["sweep_id"])
    )
    if row["sweep_id"]:
        sweep_files.put_in_place(row["sweep_id"], row["id"], wanted.id)
    return f"Queued again with accumulate: {smaller.accumulate} as {wanted.id}, as its tag {TAG} allows."
