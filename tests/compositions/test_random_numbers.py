from __future__ import annotations

import numpy as np
import pytest
import torch

from ssrl_core.compositions.random_numbers import philox
from tests.compositions import twins

# Known answers of Random123 (kat_vectors, philox4x32 10)
KNOWN = [
    ([0, 0, 0, 0], [0, 0], [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_known_answers_come_out_on_ints_arrays_and_tensors(counter, key, words):
    assert list(philox(tuple(counter), tuple(key))) == words
    arrays = philox(tuple(np.array([c]) for c in counter), tuple(np.array([k]) for k in key))
    assert [int(a[0]) for a in arrays] == words
    tensors = philox(tuple(torch.tensor([c]) for c in counter), tuple(torch.tensor([k]) for k in key))
    assert [int(t[0]) for t in tensors] == words


def test_twin_agrees_on_random_counters():
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 2**32, (50, 6))
    fast = np.stack(philox(tuple(numbers[:, :4].T), tuple(numbers[:, 4:].T)), axis=1)
    slow = [twins.philox([int(v) for v in row[:4]], [int(v) for v in row[4:]]) for row in numbers]
    assert fast.tolist() == slow


def test_counters_broadcast():
    a, *_ = philox((np.arange(3)[:, None], 0, np.arange(5), 7), (1, 2))
    assert a.shape == (3, 5)
    assert a[2, 4] == philox((2, 0, 4, 7), (1, 2))[0]
