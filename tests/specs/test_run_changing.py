"""A sweep reads only what differs between its runs; here beside the slow way, which reads every spec as a whole."""

import pytest

from ssrl_core.errors import SpecError
from ssrl_core.specs.run import RunSpec
from ssrl_core.specs.sweep import SweepSpec, _assigned

PLAIN = {
    "dataset": "mnist",
    "method": {"name": "moco_v2_plus", "queue_size": 1024},
    "terms": [{"composition": "mnist-first-set", "weight": 1.0}, {"composition": "mnist-second-set", "weight": 0.4}],
    "batch_size": 32,
}
VARIED = {
    "optimizer.lr": [0.1, 0.2],
    "optimizer": ["adam", {"name": "lars", "lr": 0.3}],
    "terms.1.weight": [0.0, 0.7],
    "terms.0.composition.steps.0.p": [0.0, 0.5],
    "method": ["simclr", {"name": "dino"}],
    "method.queue_size": [2048, 64],
    "batch_size": [64, 16],
    "dataset": ["strokes"],
    "limit_train": [None, 100],
    "heads": ["per_term"],
    "condition": ["none", "draws"],
    "evaluate.clusters": [[3], [4, 5]],
    "keep": [{"embedding": "none"}],
    "seed": [1, 2],
    "tags": [{"kind": "try"}],
    "*": [{"batch_size": 64, "method.queue_size": 128, "epochs": 7}],
}
WRONG = {
    "optimizer.lr": 0,
    "batch_size": 48,
    "method.queue_size": 1000,
    "method": "nothing",
    "terms.0.weight": -1,
    "terms.0.composition.steps.0.p": 2,
    "precision": "half",
    "keep.embedding": "some",
    "dataset.where": [],
    "accumulate": 3,
    "version": 9,
}


def whole(sweep, values):
    """The slow twin: the plain spec with the values put in, read from its beginning to its end."""
    data = {**sweep.base, "seed": sweep.seeds[0]}
    for path, value in values.items():
        data = _assigned(data, path, value, "Sweep")
    return RunSpec.from_mapping({**data, "seed": sweep.seeds[0]})


@pytest.mark.parametrize("path", VARIED)
def test_a_varied_spec_is_what_reading_it_as_a_whole_gives(path):
    sweep = SweepSpec.from_mapping({**PLAIN, "seeds": [5], "vary": {path: VARIED[path]}})
    specs = [(run.spec, whole(sweep, run.values)) for run in sweep.runs()]
    assert len(specs) == len(VARIED[path])
    for fast, slow in specs:
        assert fast == slow
        assert fast.canonical("f") == slow.canonical("f")


@pytest.mark.parametrize("path", WRONG)
def test_a_wrong_value_is_refused_in_the_words_of_the_whole_reading(path):
    sweep = SweepSpec.from_mapping({**PLAIN, "seeds": [5], "vary": {path: [WRONG[path]]}})
    with pytest.raises(SpecError) as slow:
        whole(sweep, {path: WRONG[path]})
    with pytest.raises(SpecError) as fast:
        sweep.runs()
    for said in ("field", "rule", "value", "remedy"):
        assert getattr(fast.value, said) == getattr(slow.value, said)


def test_two_values_that_are_wrong_together_only_are_refused():
    wrong = {"batch_size": 64, "method.queue_size": 96}
    sweep = SweepSpec.from_mapping({**PLAIN, "seeds": [5], "vary": {"*": [wrong]}})
    with pytest.raises(SpecError, match=r"queue_size must be a multiple of batch_size 64"):
        sweep.runs()
