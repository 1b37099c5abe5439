"""The real data: MNIST, CIFAR-10, BBBC021 cells and photographs come in whole, as their files say."""

import time

import numpy as np

from ssrl_core.datasets.importing import ImportOptions, import_source
from tests.kit import shared


def test_mnist_comes_in_whole_and_keeps_its_test_images():
    path = shared("data/mnist/mnist.npz")
    started = time.monotonic()
    made = import_source(path, "mnist")
    assert time.monotonic() - started < 30
    assert made.split_counts == {"train": 52_500, "val": 7_500, "test": 10_000}
    with np.load(path) as raw:
        assert np.array_equal(made.pixels[:60_000, 0], raw["x_train"])
        assert np.array_equal(made.pixels[made.split_ids("test"), 0], raw["x_test"])
        assert np.array_equal(made.label_ids, np.concatenate([raw["y_train"], raw["y_test"]]))
    mean, sd = made.channel_stats()
    assert abs(mean[0] - 0.1307) < 0.001  # the usual constants of MNIST
    assert abs(sd[0] - 0.3081) < 0.001


def test_cifar_has_its_names_and_colours():
    made = import_source(shared("data/cifar10/cifar10_small.npz"), "cifar-small")
    assert made.shape == (3, 32, 32)
    assert made.classes[0] == "airplane"
    assert made.split_counts == {"train": 4370, "val": 630, "test": 2000}


def test_cells_have_their_full_depth_channels_and_doses():
    path = shared("data/bbbc021/cells.npz")
    made = import_source(path, "cells", ImportOptions(label="moa", group="plate"))
    assert made.shape == (3, 68, 68)
    assert made.dtype == "uint16"
    assert [channel.name for channel in made.channels] == ["DNA", "actin (by look)", "tubulin (by look)"]
    assert made.table["dose"].max() == 100
    assert made.table.groupby("plate")["split"].nunique().max() == 1
    with np.load(path) as raw:
        assert np.array_equal(made.pixels[7], np.moveaxis(raw["x"][7] * 16, -1, 0))


def test_photographs_come_in_by_their_table():
    made = import_source(shared("data/natural/labels.csv"), "natural", ImportOptions(label="name", size=128))
    assert made.count == 100
    assert made.shape == (3, 128, 128)
    assert made.table["wnid"][0] == "n01440764"
    assert made.skipped == ()


def test_a_real_field_of_cells_is_read():
    made = import_source(shared("data/fields"), "fields")
    assert made.shape == (1, 512, 512)
    assert made.count == 3
