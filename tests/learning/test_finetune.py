"""Fine-tuning with a share of the labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ssrl_core.errors import SpecError
from ssrl_core.learning.embedding import embed, untrained_encoder
from ssrl_core.learning.encoders import load_encoder, save_encoder
from ssrl_core.learning.probes.finetune import fine_tune, labelled_share
from ssrl_core.learning.probes.linear import linear_classifier, linear_probe
from tests.learning.tiny_runs import small_images, small_spec


def test_share_takes_the_images_of_lowest_order_of_each_class() -> None:
    images = small_images(200)
    train = images.split_ids("train")
    order, labels = images.table["order"].to_numpy(), images.label_ids
    chosen = labelled_share(images, train, 0.25)
    for label in range(3):
        own = train[labels[train] == label]
        wanted = own[np.argsort(order[own])][: -(-len(own) // 4)]
        assert set(wanted) == set(chosen[labels[chosen] == label])
    assert set(chosen) <= set(labelled_share(images, train, 0.5))
    assert len(labelled_share(images, train, 0.001)) == 3  # one of each class at least
    assert np.array_equal(labelled_share(images, train, 1), train)
    for bad in (0, 1.5):
        with pytest.raises(SpecError, match="share must be"):
            labelled_share(images, train, bad)


def test_fine_tuning_on_all_labels_beats_the_linear_probe_and_leaves_the_encoder_alone(tmp_path: Path) -> None:
    images = small_images(600, classes=12)
    encoder = untrained_encoder(small_spec(), images)
    train, test = images.split_ids("train"), images.split_ids("test")
    save_encoder(tmp_path / "e.safetensors", encoder, {})
    told: list[float] = []
    tuned = fine_tune(encoder, images, train, test, share=1, device="cpu", report=told.append)
    again = fine_tune(load_encoder(tmp_path / "e.safetensors"), images, train, test, share=1, device="cpu")
    rows = [embed(encoder, images.pixels, ids, max_value=255, device="cpu") for ids in (train, test)]
    probed = linear_probe(rows[0], images.label_ids[train], rows[1])
    truth = images.label_ids[test]
    assert (tuned == truth).mean() > (probed == truth).mean()
    assert np.array_equal(tuned, again)
    assert told[-1] == 1
    assert not encoder.training


def test_the_classifier_that_it_starts_from_is_the_linear_probe() -> None:
    images = small_images(120)
    encoder = untrained_encoder(small_spec(), images)
    train, test = images.split_ids("train"), images.split_ids("test")
    rows = [embed(encoder, images.pixels, ids, max_value=255, device="cpu") for ids in (train, test)]
    layer = linear_classifier(rows[0], images.label_ids[train], classes=3)
    with torch.inference_mode():
        found = layer(torch.from_numpy(rows[1])).argmax(dim=1).numpy()
    assert np.array_equal(found, linear_probe(rows[0], images.label_ids[train], rows[1]))
