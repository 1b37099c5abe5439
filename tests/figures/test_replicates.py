"""Charts of the Paper page: seeds beside their mean, and networks over doses."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ssrl_core.figures.screens import half_interval, network_doses, replicates


def test_every_seed_is_a_point_and_the_interval_is_students():
    values = {"first": [0.41, 0.43, 0.37], "second": [0.3], "third": []}
    fig = replicates(values, x="AMI", published={"second": 0.37, "elsewhere": 1.0})
    points, means, rings = fig.data
    assert list(points.x) == [0.41, 0.43, 0.37, 0.3]
    assert list(means.y) == ["first", "second"]
    low, high = stats.t.interval(0.95, 2, np.mean(values["first"]), stats.sem(values["first"]))
    assert means.error_x.array[0] == pytest.approx((high - low) / 2)
    assert means.error_x.array[1] == 0
    assert (list(rings.y), list(rings.x)) == (["second"], [0.37])
    assert list(fig.layout.yaxis.categoryarray) == ["third", "second", "first"]
    assert half_interval([]) == 0


def test_each_network_is_a_line_named_at_its_end():
    rows = pd.DataFrame(
        [
            {"network": name, "dose": dose, "ami": ami, "shuffled": 0.0}
            for name, values in {"VGG11": (0.1, 0.2), "VGG16": (0.1, 0.5)}.items()
            for dose, ami in zip((3.0, 0.1), values[::-1], strict=True)
        ]
    )
    fig = network_doses(rows)
    assert [list(trace.x) for trace in fig.data] == [[0.1, 3.0]] * 4
    assert [note.text for note in fig.layout.annotations] == ["VGG11", "VGG16"]
    assert fig.layout.annotations[1].y == 0.5
    assert "VGG16 at 3 µM" in fig.layout.title.text
