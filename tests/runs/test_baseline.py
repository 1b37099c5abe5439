"""What a run is set beside without a second run."""

import shutil

import numpy as np
import pytest

from ssrl_core import stores
from ssrl_core.errors import SpecError
from ssrl_core.runs.evaluation import baseline
from ssrl_core.runs.evaluation.baseline import imagenet_embedding
from ssrl_core.runs.folder.run_folder import RunFolder, imageset_of
from ssrl_core.specs.backbones import BACKBONES
from tests.kit import make_run, shared

FOREIGN = {"method": "pretrained", "backbone": {"name": "tiny_cnn"}}


@pytest.mark.parametrize("spec", [{}, FOREIGN])
def test_the_imagenet_network_is_the_same_beside_every_run(spec):
    name = "vgg16_features.safetensors"
    shutil.copy(shared(f"data/weights/{name}"), stores.weights_root() / name)
    run = RunFolder(make_run(n=20, spec=spec).name)
    made = baseline.make(run, "imagenet-vgg16")
    ids = run.embedding_ids()[run.evaluated()]
    np.testing.assert_allclose(made, imagenet_embedding(imageset_of(run.spec()), ids, "vgg16"), rtol=1e-4, atol=1e-4)
    assert made.std(axis=0).max() > 0
    np.testing.assert_array_equal(baseline.read(run, "imagenet-vgg16"), made)


def test_what_an_earlier_way_of_embedding_made_is_not_read():
    run = RunFolder(make_run(n=20).name)
    for kind in baseline.BASELINES:
        path = baseline.path_of(run, kind)
        before = path.with_name(f"{path.stem.partition(kind)[0]}{kind}.npy")
        before.parent.mkdir(parents=True, exist_ok=True)
        np.save(before, np.zeros((20, 3), np.float32))
        assert (baseline.read(run, kind) is not None) == (kind == baseline.PIXELS)


def test_weights_that_are_not_here_and_unknown_baselines_are_said():
    run = RunFolder(make_run(n=20).name)
    with pytest.raises(SpecError, match="one of pixels"):
        baseline.make(run, "imagenet-lenet")
    assert baseline.read(run, "imagenet-vgg16") is None


def test_every_baseline_that_is_offered_is_a_backbone():
    networks = {kind.removeprefix("imagenet-") for kind in baseline.BASELINES if kind != baseline.PIXELS}
    assert networks <= set(BACKBONES)
