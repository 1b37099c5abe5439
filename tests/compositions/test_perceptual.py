"""LPIPS against the published package and the authors' example images. Tolerance 1e-5."""

from __future__ import annotations

import shutil
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from ssrl_core import stores
from ssrl_core.compositions import lpips, perceptual
from ssrl_core.compositions.draws import draw
from ssrl_core.errors import DataError, SpecError, Stopped
from ssrl_core.specs.composition import Composition, ViewGroup, load
from tests.compositions.workbench import composition, noise, photographs, step
from tests.kit import make_imageset, shared


@pytest.fixture
def weights():
    """The ImageNet features where a user would lay them."""
    for net in ("alex", "vgg"):
        name = lpips.NETWORKS[net].files[0]
        shutil.copy(shared(f"data/weights/{name}"), stores.weights_root() / name)


def package(net: str):
    """The `lpips` package's own model with the same features."""
    import lpips

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    network = perceptual.network(net, torch.device("cpu"))
    for i, stage in enumerate(network.stages, 1):
        getattr(model.net, f"slice{i}").load_state_dict(stage.state_dict())
    return lambda a, b: model(2 * a - 1, 2 * b - 1).detach().flatten()


def example(name: str) -> torch.Tensor:
    from PIL import Image

    with Image.open(shared(f"data/weights/lpips_check/{name}.png")) as image:
        return torch.from_numpy(np.asarray(image.convert("RGB")).transpose(2, 0, 1).copy())[None] / 255


@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize(("net", "p0", "p1"), [("alex", 0.7219, 0.1376), ("vgg", 0.5686, 0.4217)])
def test_authors_example_images_have_their_published_distances(net, p0, p1):
    found = [float(perceptual.distance(example("ex_ref"), example(n), net=net)) for n in ("ex_p0", "ex_p1")]
    assert found == pytest.approx([p0, p1], abs=5.1e-5)


@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize("net", ["alex", pytest.param("vgg", marks=pytest.mark.slow)])
def test_all_pairs_equal_the_package_pair_by_pair(net):
    images = photographs(3, 64).float() / 255
    views = torch.stack([images, images.flip(3), images.roll(7, 2), 1 - images])
    model = package(net)
    pairs = [(i, j) for i in range(4) for j in range(i)]
    expected = torch.stack([model(views[i], views[j]) for i, j in pairs]).mean(0)
    assert (perceptual.pairwise(views, net=net) - expected).abs().max() < 1e-5
    assert (perceptual.distance(views[0], views[3], net=net) - model(views[0], views[3])).abs().max() < 1e-5


@pytest.mark.usefixtures("weights")
def test_the_same_view_twice_is_no_distance_away():
    image = noise(2, 3, 70)
    assert perceptual.pairwise(image.expand(5, -1, -1, -1, -1)).abs().max() < 1e-9
    assert float(perceptual.distance(image[:1], image[1:])) > 0.1


@pytest.mark.usefixtures("weights")
def test_small_images_are_enlarged_to_64_and_one_channel_is_repeated():
    small = noise(2, 1, 28)
    large = torch.nn.functional.interpolate(small, (64, 64), mode="bilinear", align_corners=False).expand(-1, 3, -1, -1)
    expected = package("alex")(large[:1], large[1:])
    assert float(perceptual.distance(small[:1], small[1:])) == pytest.approx(float(expected), abs=1e-5)
    assert perceptual.size_px(28) == 64
    assert perceptual.size_px(196) == 196
    five = noise(2, 5, 64)
    grey = five.mean(1, keepdim=True)
    assert torch.equal(perceptual.distance(five[:1], five[1:]), perceptual.distance(grey[:1], grey[1:]))


@pytest.mark.usefixtures("weights")
def test_working_in_parts_changes_nothing(monkeypatch):
    views = noise(6, 3, 64).view(2, 3, 3, 64, 64)
    whole = perceptual.pairwise(views)
    monkeypatch.setattr(perceptual, "_VALUES_AT_ONCE", 1)
    told = []
    parts = perceptual.pairwise(views, report=lambda done, total, what: told.append((done, total)))
    assert (parts - whole).abs().max() < 1e-6
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.usefixtures("weights")
def test_measure_has_a_value_for_each_image_and_rises_with_strength():
    images = make_imageset(n=9, c=3, side=32)
    ids = np.array([7, 0, 3, 5])
    told = []
    weak = perceptual.measure(
        images, composition(step("rotation", degrees=3)), ids, seed=5, report=lambda *news: told.append(news)
    )
    strong = perceptual.measure(images, composition(step("rotation"), step("invert", p=0.5)), ids, seed=5)
    nothing = perceptual.measure(images, load("identity"), ids, seed=5)
    assert weak.values.shape == (4,)
    assert (weak.n, weak.backbone, weak.size_px) == (4, "alex", 64)
    assert weak.mean == pytest.approx(weak.values.mean())
    assert weak.sd == pytest.approx(weak.values.std(ddof=1))
    assert nothing.mean < 1e-9 < weak.mean < strong.mean
    assert told[-1] == (4, 4, "LPIPS")
    alone = perceptual.measure(images, composition(step("rotation", degrees=3)), [3], seed=5)
    assert alone.values[0] == pytest.approx(weak.values[2], abs=1e-6)
    assert alone.sd == 0


@pytest.mark.usefixtures("weights")
def test_global_views_are_compared_and_local_ones_left_out():
    images = make_imageset(n=4, c=3, side=40)
    rotation = (step("rotation"),)
    one = ViewGroup("one", 1, rotation)
    crops = ViewGroup("crops", 4, (step("resized_crop"),), 20, "local")
    both = Composition("both", (one, ViewGroup("two", 1, rotation), crops))
    pair = Composition("pair", (ViewGroup("view", 2, rotation),))
    a, b = (perceptual.measure(images, made, range(4), seed=5) for made in (both, pair))
    assert np.allclose(a.values, b.values, atol=1e-6)
    mixed = perceptual.measure(images, Composition("mixed", (one, crops)), range(4), seed=5)
    assert mixed.size_px == 64


@pytest.mark.usefixtures("weights")
def test_measuring_can_be_stopped_and_needs_images_and_two_views():
    images = make_imageset(n=3, c=1, side=16)
    with pytest.raises(Stopped):
        perceptual.measure(images, load("identity"), [0, 1], seed=5, should_stop=lambda: True)
    with pytest.raises(SpecError, match="at least one"):
        perceptual.measure(images, load("identity"), [], seed=5)
    single = Composition("single", (ViewGroup("view", 1),))
    with pytest.raises(SpecError, match="at least 2 views"):
        perceptual.measure(images, single, [0], seed=5)
    with pytest.raises(SpecError, match="at least two views"):
        perceptual.pairwise(noise(2)[None])
    with pytest.raises(SpecError, match="of one shape"):
        perceptual.distance(noise(1), noise(2))


def test_missing_weights_are_named_with_the_place_to_lay_them(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for net, file in (("alex", "alexnet_features.safetensors"), ("vgg", "vgg16_features.safetensors")):
        sentence = perceptual.missing(net)
        assert sentence is not None
        assert file in sentence
        assert str(stores.weights_root()) in sentence
    with pytest.raises(SpecError, match=r"lay alexnet_features\.safetensors"):
        perceptual.distance(noise(1), noise(1))
    with pytest.raises(SpecError, match="net must be alex or vgg"):
        perceptual.missing("squeeze")


def test_torchvisions_own_file_serves_too(monkeypatch, tmp_path):
    from safetensors.torch import load_file

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    features = load_file(shared("data/weights/alexnet_features.safetensors"))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(features | {"classifier.6.bias": torch.zeros(1000)}, folder / "alexnet-owt-7be5be79.pth")
    assert perceptual.missing("alex") is None
    assert float(perceptual.distance(example("ex_ref"), example("ex_p1"))) == pytest.approx(0.1376, abs=5.1e-5)


def test_damaged_and_wrong_weights_are_refused_by_file():
    file = stores.weights_root() / "alexnet_features.safetensors"
    file.write_bytes(b"not weights at all")
    with pytest.raises(DataError, match=r"alexnet_features\.safetensors: the weights cannot be read"):
        perceptual.distance(noise(1), noise(1))
    shutil.copy(shared("data/weights/vgg16_features.safetensors"), file)
    with pytest.raises(DataError, match=r"alexnet_features\.safetensors"):
        perceptual.distance(noise(1), noise(1))


def test_asking_what_is_missing_needs_neither_torch_hub_nor_network():
    code = (
        "import warnings; warnings.simplefilter('error')\n"
        "from ssrl_core import stores; stores.prepare_caches()\n"
        "from ssrl_core.compositions import perceptual\n"
        "assert 'alexnet' in perceptual.missing('alex')\n"
        "import sys; assert 'lpips' not in sys.modules and 'torchvision' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.usefixtures("weights")
def test_the_side_at_which_small_images_are_compared_is_a_setting():
    small = noise(2, 3, 28)
    large = torch.nn.functional.interpolate(small, (96, 96), mode="bilinear", align_corners=False)
    at_96 = perceptual.pairwise(small[:, None], smallest_px=96)
    assert float(at_96) == pytest.approx(float(package("alex")(large[:1], large[1:])), abs=1e-5)
    assert float(at_96) != pytest.approx(float(perceptual.pairwise(small[:, None])), abs=1e-3)
    with pytest.raises(SpecError, match=r"size must be in 32\.\.4096 px"):
        perceptual.pairwise(small[:, None], smallest_px=16)


def test_bootstrap_intervals_cover_the_mean_as_often_as_they_say():
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        found = lpips.summary(rng.normal(1.0, 0.5, 40), seed=trial)
        hits += found.low <= 1.0 <= found.high
    assert 0.87 <= hits / 200 <= 0.99
    assert lpips.summary(np.array([0.3])) == lpips.Mean(0.3, 0.0, 0.3, 0.3, 1)


def test_a_step_is_left_out_without_moving_the_draws_of_the_others():
    whole = load("sololearn-asymmetric")
    left = lpips.left_out(whole)
    assert [one.group for one in left] == ["first"] * 4 + ["second"] * 5
    assert [one.step.transform for one in left[:4]] == [one.transform for one in whole.views[0].steps]
    drawn = draw(whole, np.arange(3), seed=5, epoch=0)
    for one in left:
        without = draw(one.composition, np.arange(3), seed=5, epoch=0)
        for group, other in zip(drawn.groups, without.groups, strict=True):
            for one_step, same in zip(group.steps, other.steps, strict=True):
                assert one_step.transform == same.transform
                for name, values in one_step.values.items():
                    np.testing.assert_array_equal(values, same.values[name])
    steps = [replace(one, p=0.0) for one in whole.views[0].steps]
    assert len(lpips.left_out(whole.with_steps(steps, 0))) == 5
