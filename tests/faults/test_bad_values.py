"""Values that are none, whatever is asked: a sentence, never a traceback, and never a wait."""

import io
import json
import time
from contextlib import suppress
from itertools import product

import numpy as np
import pytest
from PIL import Image

from ssrl_core.datasets import importing
from ssrl_core.datasets.cells import field_lists
from ssrl_core.errors import SSRLError
from ssrl_core.specs import composition
from ssrl_core.specs.run import RunSpec, load_run
from ssrl_core.specs.sweep import SweepSpec

SPEC = {"dataset": "mnist", "method": "simclr", "backbone": "tiny_cnn", "terms": "mnist-first-set", "epochs": 1}
HUGE = int("9" * 400)
STRANGE = ([], {}, [[]], {"name": []}, {"name": HUGE}, None, HUGE, -HUGE, float("inf"), float("nan"), "x" * 9999, "\0")
FIELDS = (*SPEC, "optimizer", "schedule", "evaluate", "keep", "recipe", "heads", "seed", "batch_size", "accumulate")
FIELDS += ("limit_train", "precision", "device", "devices", "name", "notes", "tags")
RANGE = {"from": 1e-3, "to": 1, "count": 3}
SWEEPS = [
    *({"vary": {"optimizer.lr": {**RANGE, key: value}}, "seeds": [1]} for key, value in product(RANGE, STRANGE)),
    *({"vary": {}, "seeds": value} for value in STRANGE),
    {"vary": {"*": [[]]}, "seeds": [1]},
    {"vary": {}, "seeds": [1], "sampler": {"name": "random", "count": HUGE}},
]
STEPS = [{"transform": "rotation", "degrees": value} for value in (*STRANGE, [HUGE, {}])]
STEPS += [{"transform": value} for value in STRANGE] + [{"transform": "rotation", "p": value} for value in STRANGE]
STEPS += [{"transform": "choice", "of": [{"weight": value, "steps": []}]} for value in STRANGE]
WHOLE = [{"views": [{"count": value, "steps": []}]} for value in STRANGE]
WHOLE += [{"size": value, "steps": []} for value in STRANGE] + [{"steps": value} for value in STRANGE]


def in_words(read) -> None:
    """Done, or refused in words, within five seconds."""
    started = time.process_time()  # other tests run beside
    with suppress(SSRLError):
        read()
    assert time.process_time() - started < 5


@pytest.mark.parametrize("field", FIELDS)
def test_a_spec(field):
    for value in STRANGE:
        in_words(lambda value=value: RunSpec.from_mapping({**SPEC, field: value}))
        in_words(lambda value=value: RunSpec.from_mapping({**SPEC, field: value, "recipe": "x"}))


def test_a_sweep():
    for given in SWEEPS:
        in_words(lambda given=given: SweepSpec.from_mapping({**SPEC, **given}))


def test_a_composition():
    for given in [*({"steps": [step]} for step in STEPS), *WHOLE]:
        in_words(lambda given=given: composition.Composition.from_mapping(given))


@pytest.mark.parametrize(
    "text", [f"epochs: {HUGE}", "method: {name: []}", "name: " + "a" * 900_000, "a: " + "[" * 9000]
)
def test_the_text_of_a_spec(tmp_path, text):
    lines = [f"{key}: {json.dumps(value)}" for key, value in SPEC.items() if not text.startswith(key)]
    (tmp_path / "spec.yaml").write_text("\n".join([*lines, text]), encoding="utf-8")
    in_words(lambda: load_run(tmp_path / "spec.yaml"))


@pytest.mark.parametrize("path", ["a\0b", "/" + "a" * 5000, "a" * 5000, "/dev/zero", ""])
def test_a_path(path):
    for read in (importing.glance, field_lists.list_fields, composition.load, load_run):
        in_words(lambda read=read: read(path))


@pytest.mark.parametrize("name", [b"a\0.png", b"a" * 5000 + b".png", b"../" * 900 + b"a.png", b"\xff\xfe.png"])
def test_a_name_in_a_table(tmp_path, name):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "table.csv").write_bytes(b"file,label\n" + name + b",x\na.png,y\n")
    for read in (importing.glance, field_lists.list_fields):
        in_words(lambda read=read: read(str(tmp_path / "table.csv")))


def test_a_damaged_npz(tmp_path):
    file, rng = io.BytesIO(), np.random.default_rng(0)
    np.savez_compressed(file, x=rng.integers(0, 255, (10, 8, 8), dtype=np.uint8), y=np.arange(10))
    for seed in range(80):
        chance, content = np.random.default_rng(seed), bytearray(file.getvalue())
        for _ in range(4):
            content[chance.integers(4, len(content))] ^= 1 << chance.integers(8)
        (tmp_path / "images.npz").write_bytes(content)
        in_words(lambda: importing.glance(str(tmp_path / "images.npz")))
