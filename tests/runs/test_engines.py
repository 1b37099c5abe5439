"""Warm children, GPUs dealt out, and the settings of engines."""

from __future__ import annotations

import os
import signal
from threading import Thread

import pytest

from ssrl_core.errors import SpecError
from ssrl_core.runs.child.warm import grown
from ssrl_core.runs.queue import processes, registry
from ssrl_core.runs.worker import estimate
from ssrl_core.runs.worker.coordinator import Coordinator, open_engine
from ssrl_core.runs.worker.engines import dask, settings
from ssrl_core.runs.worker.engines.local import LocalEngine, gpus_here
from tests.runs.conftest import FakeEngine, FakeJob, fake_command
from tests.runs.test_kills import until
from tests.runs.test_train import lines, submit

posix = pytest.mark.skipif(os.name == "nt", reason="warm children are POSIX processes")


def state(run):
    return registry.require(run.id)["state"]


@pytest.fixture
def warm():
    engine = LocalEngine(warm=True)
    made = Coordinator(engine)
    yield made
    for active in made.watch.active_runs.values():
        active.job.kill()
    engine.close()


@posix
@pytest.mark.slow
def test_warm_child_takes_several_runs_and_ends_with_the_same_bytes_as_a_cold_one(kit_images, warm):
    first, second, bad = (submit(seed=seed) for seed in (5, 6, 7))
    (bad.path / "behave.json").unlink()
    until(lambda: all(state(run) == "done" for run in (first, second, bad)), each=warm.tick, seconds=400)
    processes = {run.state()["pid"] for run in (first, second, bad)}
    assert len(processes) == 1
    assert "attempt 1" in second.log_tail()
    assert "attempt 1" not in first.log_tail().split("done")[-1]  # nothing of the second run is in the first one's log
    again = submit(seed=6, again=True)
    cold = Coordinator(LocalEngine(warm=False))
    until(lambda: state(again) == "done", each=cold.tick, seconds=400)
    assert again.state()["pid"] not in processes
    assert (again.path / "encoder.safetensors").read_bytes() == (second.path / "encoder.safetensors").read_bytes()
    assert lines(again) == lines(second)
    assert again.results().data["knn"] == second.results().data["knn"]


@posix
@pytest.mark.slow
def test_warm_child_is_replaced_after_a_stop_and_after_a_kill(kit_images, warm):
    stopped, killed, last = (submit(seed=seed, epochs=400 if seed < 7 else 1) for seed in (5, 6, 7))
    until(lambda: stopped.state()["step"] > 2, each=warm.tick, seconds=300)
    registry.change(stopped.id, wanted="stop")
    until(lambda: state(stopped) == "stopped", each=warm.tick, seconds=60)
    until(lambda: killed.state()["step"] > 2, each=warm.tick, seconds=300)
    first = killed.state()["pid"]
    assert first != stopped.state()["pid"]
    os.kill(first, signal.SIGKILL)
    until(lambda: (killed.state()["attempt"], killed.state()["step"] > 2) == (2, True), each=warm.tick, seconds=300)
    assert killed.state()["pid"] != first
    registry.change(killed.id, wanted="stop")
    until(lambda: state(last) == "done", each=warm.tick, seconds=300)


@posix
@pytest.mark.slow
def test_free_warm_child_is_let_go_when_idle_and_with_its_engine(kit_images, warm):
    run = submit()
    until(lambda: state(run) == "done", each=warm.tick, seconds=300)
    child = run.state()["pid"]
    os.kill(child, 0)
    warm.watch._engine._children.tend(idle_s=-1.0)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


@posix
@pytest.mark.slow
def test_every_run_has_a_process_of_its_own_where_that_is_wished(queued):
    engine = LocalEngine(command=fake_command)
    coordinator = Coordinator(engine)
    runs = [queued(seed=seed, behave={"steps": 2, "step_s": 0.0}) for seed in range(3)]
    until(lambda: all(state(run) == "done" for run in runs), each=coordinator.tick)
    assert len({run.state()["pid"] for run in runs}) == 3


def test_child_that_grew_is_replaced():
    assert not grown(1_500_000_000, 900_000_000)
    assert grown(3_000_000_000, 900_000_000)


def test_gpus_are_dealt_out_in_turn_and_the_users_own_choice_counts(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert gpus_here() == ("2", "5")
    engine = LocalEngine(3, gpus=gpus_here())
    assert [engine._environment(place, tmp_path)["CUDA_VISIBLE_DEVICES"] for place in range(3)] == ["2", "5", "2"]
    for asked, dealt in (("2", "5,2"), ("auto", "5,2"), ("9", "5,2"), ("[]", "5")):
        (tmp_path / "spec.yaml").write_text(f"devices: {asked}\n")
        assert engine._environment(1, tmp_path)["CUDA_VISIBLE_DEVICES"] == dealt
    for none in ("", "-1", "NoDevFiles", "-1,0"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", none)
        assert gpus_here() == ()
        assert not estimate.has_gpu()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1, 0,-1,2")  # CUDA reads up to the first that is none
    assert gpus_here() == ("1", "0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: A (UUID: x)'\necho 'GPU 1: B (UUID: y)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert gpus_here() == ("0", "1")
    assert open_engine(settings.EngineSettings(per_gpu=2)).slots == 4


def test_a_run_over_several_cards_takes_as_many_slots_and_none_overtakes_it(queued, clock):
    engine = FakeEngine(4)
    engine.cards = 4
    coordinator = Coordinator(engine, clock=clock)
    runs = [queued(seed=seed, devices=count) for seed, count in enumerate((1, 4, 1, 2, "auto"))]
    one, four, other, two, every = runs
    coordinator.tick()
    assert [job.folder.name for job in engine.jobs] == [one.id]  # four cards are not free, and nobody overtakes
    started = [[four], [other, two], [every]]
    for after in started:
        for job in engine.jobs:
            (job.folder / "encoder.safetensors").touch()
            job.code = 1
        clock.now += 10
        coordinator.tick()
        assert [job.folder.name for job in engine.jobs][-len(after) :] == [run.id for run in after]


def test_cards_of_a_node_are_dealt_out_among_the_runs_of_a_worker(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    dealt = {}

    class Starts:
        def __init__(self, *words, **ways):
            pass

        def start(self, folder, environment):
            dealt[folder.name] = environment.get("CUDA_VISIBLE_DEVICES")
            return FakeJob(folder)

    monkeypatch.setattr(dask, "Children", Starts)
    monkeypatch.setattr(dask, "_children", {})
    threads = []
    for name, count in (("a", 2), ("b", 1), ("c", 1)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "spec.yaml").write_text(f"devices: {count}\n")
        threads.append(Thread(target=dask.execute, args=(str(tmp_path / name), {}, 4, False), daemon=True))
        threads[-1].start()
        until(lambda name=name: name in dealt)
    assert dealt == {"a": "4,5", "b": "6", "c": "7"}
    for job in list(dask._jobs.values()):
        job.code = 0
    for thread in threads:
        thread.join(10)
    assert not dask._turns


def test_the_chosen_card_is_asked_for_its_memory(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho GPU-a1, 24000\necho GPU-b2, 80000\necho GPU-c3, 16000\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = [estimate.card_bytes(device) for device in ("auto", "cuda", "cuda:1", "cuda:0")]
    assert found == [16000 * 2**20, 16000 * 2**20, 80000 * 2**20, 24000 * 2**20]
    for chosen in ("1", "GPU-b", "1,-1,2"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
        assert estimate.card_bytes("cuda:0") == estimate.card_bytes() == 80000 * 2**20
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1,1")
    assert estimate.card_bytes() is None


def test_settings_are_kept_for_every_worker_of_the_store():
    assert settings.load_settings().engine == "local"
    kept = settings.load_settings({"engine": "slurm", "slurm": {"partition": "gpu", "gpus": 2, "prologue": ["ml x"]}})
    settings.save_settings(kept)
    assert settings.load_settings() == kept
    changed = settings.load_settings({"slurm": {"gpus": 1}})
    assert (changed.slurm.gpus, changed.slurm.partition) == (1, "gpu")


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"engine": "sulrm"}, "engine must be local, dask, slurm"),
        ({"engine": "tcp://somewhere"}, "engine must be"),
        ({"engine": "tls://host:8786"}, "tls must be"),
        ({"slots": 0}, "slots must be"),
        ({"warm": "yes"}, "warm must be"),
        ({"slurm": {"walltime": "long"}}, "walltime must be"),
        ({"slurm": {"memory": "16"}}, "memory must be"),
        ({"slurm": {"partition": "a; rm -rf"}}, "partition must be"),
        ({"slurm": {"queue": "gpu"}}, "queue"),
        ({"tls": {"ca": "nowhere.pem", "cert": "x", "key": "y"}}, "ca must be"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_bad_settings_are_refused_in_words(bad, words):
    with pytest.raises(SpecError, match=words):
        settings.load_settings(bad)


def test_slurm_where_there_is_none_is_refused_and_the_runs_that_wait_say_so(queued, monkeypatch):
    from ssrl_core.runs.worker import coordinator

    run = queued()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SpecError, match="no command `sbatch` here"):
        coordinator.main(settings.EngineSettings(engine="slurm"), once=True)
    assert "sbatch" in registry.require(run.id)["waits_for"]
    assert not processes.is_alive()
