"""What the grid shows, and LPIPS beside it."""

import json
import threading
import time
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from pages.ui.compose import preview
from pages.ui.compose.lpips import Answer, LpipsWorker, Question
from pages.ui.compose.preview import Sample, fitted, pictures
from pages.ui.kit.gallery import as_sheet
from pages.ui.kit.jobs import REST, Turns
from ssrl_core.compositions import perceptual
from ssrl_core.compositions.draws import draw
from ssrl_core.compositions.views import make_views
from ssrl_core.datasets.pictures import shown_limits, to_rgb
from ssrl_core.errors import SpecError
from ssrl_core.specs.composition import load
from tests.kit import make_imageset


def test_one_of_each_class_is_one_of_each_class():
    imageset = make_imageset(30, classes=5)
    ids = preview.image_ids(imageset, "classes", seed=0)
    assert sorted(imageset.label_ids[list(ids)]) == [0, 1, 2, 3, 4]
    assert preview.image_ids(imageset, "classes", seed=0) == ids
    assert preview.image_ids(imageset, "one", seed=0, one=99) == (29,)
    assert len(set(preview.image_ids(imageset, "8", seed=0))) == 8


def test_one_of_each_class_without_labels_falls_back_to_a_few():
    imageset = make_imageset(30, classes=0)
    assert len(preview.image_ids(imageset, "classes", seed=0)) == 8


def test_lpips_takes_its_images_from_every_class_in_turn():
    imageset = make_imageset(40, classes=4)
    ids = preview.sample_for_lpips(imageset, 12, seed=0)
    assert np.bincount(imageset.label_ids[list(ids)]).tolist() == [3, 3, 3, 3]
    assert len(preview.sample_for_lpips(imageset, 999, seed=0)) == 40


def test_the_grid_shows_the_views_that_training_sees():
    imageset = make_imageset(12, c=3, side=32)
    composition = load("mnist-second-set")
    sample = Sample(imageset, (3, 5), 4, seed=7)
    header, file = preview.grid(sample, [("", composition)])
    sheet = np.asarray(Image.open(BytesIO(file)))
    side = header["cell"][0]
    draws = draw(composition, np.array([3, 5]), seed=7, epoch=0)
    views = make_views(torch.from_numpy(np.array(imageset.pixels[[3, 5]])), draws, composition, max_value=255)[0]
    for row in range(2):
        for view in range(2):  # training's two views are the first two of the grid
            shown = sheet[row * side : (row + 1) * side, (view + 1) * side : (view + 2) * side]
            trained = to_rgb(views[view, row][None].numpy(), imageset.channels)[0]
            assert np.abs(shown.astype(int) - trained.astype(int)).max() <= 1
    assert header["cells"][1] == draws.describe(0, 0)


@pytest.mark.parametrize(("channels", "dtype"), [(1, "uint8"), (3, "uint8"), (2, "uint16"), (3, "uint16")])
def test_quick_pictures_are_those_of_to_rgb(channels, dtype):
    imageset = make_imageset(6, c=channels, dtype=dtype)
    pixels = np.array(imageset.pixels[:])
    views = torch.from_numpy(pixels.astype(np.float32) / imageset.max_value)
    quick = pictures(views, imageset.channels, shown_limits(pixels, imageset.channels, imageset.max_value))
    slow = to_rgb(pixels, imageset.channels, max_value=imageset.max_value)
    assert np.abs(quick.astype(int) - slow.astype(int)).max() <= 1


def test_pictures_that_are_not_square_keep_their_shape():
    wide = np.full((1, 10, 20, 3), 200, np.uint8)
    cell = fitted(wide, (40, 40))[0]
    assert cell.shape == (40, 40, 3)
    assert (cell[20] == 200).all()
    assert (cell[0] == cell[-1]).all()
    assert cell[0].max() < 20


def test_two_compositions_share_the_images_row_by_row():
    imageset = make_imageset(12, c=3)
    sample = Sample(imageset, (1, 2), 2, seed=0)
    header, _ = preview.grid(sample, [("A", load("identity")), ("B", load("mnist-first-set"))])
    assert (header["rows"], header["columns"]) == (4, 3)
    assert header["cells"][0][0].startswith("A: ")
    assert header["cells"][3][0].startswith("B: ")


def test_the_strip_shows_the_image_after_each_step():
    imageset = make_imageset(12, c=3)
    header, _ = preview.steps_strip(Sample(imageset, (1,), 2, seed=0), load("mnist-first-set"), 1, 0)
    assert header["columns"] == len(header["cells"]) >= 4
    assert header["framed"] == [0]


def test_a_sheet_lays_pictures_row_by_row_and_the_packet_opens():
    tiles = np.arange(3 * 2 * 2 * 3, dtype=np.uint8).reshape(3, 2, 2, 3)
    sheet = as_sheet(tiles, 2)
    assert sheet.shape == (4, 4, 3)
    assert (sheet[:2, 2:] == tiles[1]).all()
    assert (sheet[2:, 2:] == 0).all()
    header, file = preview.pack(tiles, columns=2, heads=["a", "b"], said=[["x"], [], []])
    assert header["mime"] == "image/png"
    assert file[:4] == b"\x89PNG"
    assert json.dumps(header)


def test_the_desk_answers_in_the_background_and_remembers(monkeypatch):
    calls = []

    def measure(imageset, composition, image_ids, *, seed, net, smallest_px):
        calls.append(len(image_ids))
        return SimpleNamespace(values=np.full(len(image_ids), 0.25), size_px=64)

    monkeypatch.setattr(perceptual, "measure", measure)
    worker, question = LpipsWorker(), Question(load("identity"), "kit", "f", tuple(range(10)), 5)
    answer = finished(worker, question)
    assert (answer.mean, answer.sd, answer.size_px) == (0.25, 0.0, 64)
    assert sum(calls) == 10
    renamed = replace(question, composition=question.composition.renamed("other"))
    assert worker.ask("b", [renamed], None)[0] is answer  # a name changes no distance
    assert sum(calls) == 10


def test_what_goes_wrong_becomes_the_answer_and_the_desk_lives_on(monkeypatch):
    def measure(imageset, composition, image_ids, *, seed, net, smallest_px):
        if composition.steps:
            raise SpecError("these views cannot be compared")
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(perceptual, "measure", measure)
    worker = LpipsWorker()
    failed = finished(worker, Question(load("mnist-first-set"), "k", "f", (1, 2), 5))
    assert failed.error == "these views cannot be compared"
    assert "ZeroDivisionError" in finished(worker, Question(load("identity"), "k", "f", (1, 2), 5)).error


def finished(worker: LpipsWorker, question: Question) -> Answer:
    deadline = time.monotonic() + 20
    answer = worker.ask("a", [question], None)[0]
    while not answer.done and time.monotonic() < deadline:
        time.sleep(0.01)
    assert answer.done
    return answer


def test_threads_of_a_page_end_before_the_process_does():
    turns, pieces = Turns(), []

    def work():
        with suppress(SystemExit):  # what the interpreter does with it in a thread
            while True:
                turns.wait(REST)
                pieces.append(time.monotonic())
                time.sleep(0.01)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while not pieces:
        time.sleep(0.01)
    turns.end()
    assert not thread.is_alive()
