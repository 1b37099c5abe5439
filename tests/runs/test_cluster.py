"""The same queue on the real thing: a Dask scheduler with workers in other processes, and a SLURM of two nodes."""

from __future__ import annotations

import gc
import os
import signal
import sys
from functools import partial

import psutil
import pytest

from ssrl_core.errors import SpecError
from ssrl_core.runs.queue import ordering, registry
from ssrl_core.runs.worker.coordinator import Coordinator, open_engine
from ssrl_core.runs.worker.engines.dask import DaskEngine
from ssrl_core.runs.worker.engines.places import OwnWorkers, Scheduler, SlurmPlace
from ssrl_core.runs.worker.engines.settings import EngineSettings, Slurm
from tests.kit import ROOT, make_imageset
from tests.runs import certificates
from tests.runs.cluster import DaskCluster, SlurmCluster, free_port
from tests.runs.conftest import FAKE_CHILD
from tests.runs.test_kills import children_of, until, value_after
from tests.runs.test_train import CHILD as REAL_CHILD
from tests.runs.test_train import submit

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="POSIX"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Dask's own sockets
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:distributed"),
]
CHILD = [sys.executable, str(FAKE_CHILD)]
LONG = 240.0


@pytest.fixture(autouse=True)
def swept():
    """What Dask leaves open is collected here, where that is no error, and not in a later test."""
    yield
    gc.collect()


def state(run):
    return registry.require(run.id)["state"]


def finished(*runs):
    return lambda: all(state(run) == "done" for run in runs)


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    cluster = DaskCluster(tmp_path_factory.mktemp("dask"))
    yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    cluster = SlurmCluster(tmp_path_factory.mktemp("slurm"), nodes=2)
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(cluster.conf)
    yield cluster
    os.environ.pop("SLURM_CONF") if before is None else os.environ.update(SLURM_CONF=before)
    cluster.close()


@pytest.fixture
def on():
    """A coordinator on a place; its engine is closed at the end."""
    made = []

    def coordinator(place):
        made.append(DaskEngine(place, warm=False, command=CHILD))
        return Coordinator(made[-1])

    yield coordinator
    for engine in made:
        engine.close()


def test_runs_go_through_a_scheduler_and_every_part_may_be_killed(queued, on, dask):
    place = Scheduler(EngineSettings(engine=dask.address))
    first = on(place)
    runs = [queued(seed=seed, behave={"steps": 40, "step_s": 0.05}) for seed in range(3)]
    until(lambda: len(first.watch.active_runs) == 2, each=first.tick, seconds=LONG)
    assert {registry.require(run.id)["state"] for run in runs} <= {"submitted", "running", "queued"}

    child = until(lambda: next(iter(children_of(runs[0])), None), each=first.tick, seconds=LONG)
    until(lambda: (runs[0].path / "checkpoint.pt").exists(), each=first.tick, seconds=LONG)
    child.kill()  # the training
    until(lambda: runs[0].state()["attempt"] == 2, each=first.tick, seconds=LONG)

    child = until(lambda: next(iter(children_of(runs[0])), None), each=first.tick, seconds=LONG)
    worker = child.parent().pid
    os.kill(worker, signal.SIGKILL)  # the worker; the child goes with it
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, seconds=20.0)
    dask.workers.append(dask.worker())
    until(finished(*runs), each=first.tick, seconds=LONG)
    for run in runs:
        assert (run.path / "encoder.safetensors").read_text() == value_after(40)


def test_killed_coordinator_leaves_the_training_alone_and_the_next_one_finds_it(queued, on, dask):
    place = Scheduler(EngineSettings(engine=dask.address))
    first = on(place)
    run = queued(behave={"steps": 60, "step_s": 0.1})
    until(lambda: (run.path / "checkpoint.pt").exists(), each=first.tick, seconds=LONG)
    first.watch.end_all()
    first._engine.close()
    assert children_of(run)
    second = on(place)
    second.tick()
    assert state(run) == "running"
    until(finished(run), each=second.tick, seconds=LONG)
    assert run.state()["attempt"] == 1


def test_run_is_stopped_on_a_worker(queued, on, dask):
    coordinator = on(Scheduler(EngineSettings(engine=dask.address)))
    run = queued(behave={"steps": 400, "step_s": 0.1})
    until(lambda: run.state()["step"] > 1, each=coordinator.tick, seconds=LONG)
    registry.change(run.id, wanted="stop")
    until(lambda: state(run) == "stopped", each=coordinator.tick, seconds=LONG)
    assert run.state()["state"] == "stopped"


def test_scheduler_that_does_not_answer_lets_runs_wait_with_the_reason_until_it_does(queued, on, tmp_path, monkeypatch):
    monkeypatch.setattr("ssrl_core.runs.worker.engines.places.ANSWER_S", 1.0)
    monkeypatch.setattr("ssrl_core.runs.worker.engines.dask._ASK_AGAIN_S", 1.0)
    monkeypatch.setattr("ssrl_core.runs.worker.feeding.ASK_AGAIN_S", 0.1)
    port = free_port()
    coordinator = on(Scheduler(EngineSettings(engine=f"tcp://127.0.0.1:{port}")))
    run = queued(behave={"steps": 2, "step_s": 0.0})
    until(
        lambda: "does not answer" in (registry.require(run.id)["waits_for"] or ""), each=coordinator.tick, seconds=LONG
    )
    assert coordinator.reason_to_end() is None
    cluster = DaskCluster(tmp_path, workers=0, port=port)
    try:
        until(
            lambda: "no workers yet" in (registry.require(run.id)["waits_for"] or ""),
            each=coordinator.tick,
            seconds=LONG,
        )
        cluster.worker()
        until(finished(run), each=coordinator.tick, seconds=LONG)
        assert registry.require(run.id)["waits_for"] is None
    finally:
        cluster.close()


def test_scheduler_with_tls_takes_runs_and_turns_strangers_away(queued, on, tmp_path, monkeypatch):
    monkeypatch.setattr("ssrl_core.runs.worker.engines.places.ANSWER_S", 3.0)
    monkeypatch.setattr("ssrl_core.runs.worker.engines.dask._ASK_AGAIN_S", 1.0)
    monkeypatch.setattr("ssrl_core.runs.worker.feeding.ASK_AGAIN_S", 0.1)
    ours, theirs = certificates.make(tmp_path / "ours"), certificates.make(tmp_path / "theirs")
    cluster = DaskCluster(tmp_path, workers=1, tls=ours)
    try:
        run = queued(behave={"steps": 2, "step_s": 0.0})
        for stranger in (
            EngineSettings.from_mapping({"engine": cluster.address, "tls": theirs}),
            EngineSettings(engine=cluster.address.replace("tls", "tcp")),
        ):
            registry.change(run.id, waits_for=None)
            coordinator = on(Scheduler(stranger))
            told = partial(_waits_for, run, "does not answer")
            until(told, each=coordinator.tick, seconds=LONG)
            coordinator._engine.close()
        assert state(run) == "queued"
        friend = on(open_engine(EngineSettings.from_mapping({"engine": cluster.address, "tls": ours}))._place)
        until(finished(run), each=friend.tick, seconds=LONG)
    finally:
        cluster.close()


def _waits_for(run, words):
    return words in (registry.require(run.id)["waits_for"] or "")


def test_embedded_workers_take_runs_and_end_with_the_coordinator(queued, on):
    coordinator = on(OwnWorkers(EngineSettings(engine="dask", slots=2)))
    runs = [queued(seed=seed, behave={"steps": 10, "step_s": 0.05}) for seed in range(3)]
    until(finished(*runs), each=coordinator.tick, seconds=LONG)
    coordinator._engine.close()
    live = [one for one in psutil.Process().children(recursive=True) if one.status() != psutil.STATUS_ZOMBIE]
    left = [one for one in live if "spawn_main" in " ".join(one.cmdline())]
    assert not left


def test_runs_go_through_slurm_and_a_killed_node_only_delays_them(queued, on, slurm):
    coordinator = on(SlurmPlace(EngineSettings(engine="slurm", slots=1, slurm=Slurm(cores=1, memory="500MB"))))
    ordering.pause()
    runs = [queued(seed=seed, behave={"steps": 160, "step_s": 0.05}) for seed in range(2)]
    coordinator.tick()
    assert "viewloom" not in slurm.said("squeue", "--noheader", "--format=%j")  # nothing is asked for while paused
    ordering.unpause()
    until(lambda: (runs[0].path / "checkpoint.pt").exists(), each=coordinator.tick, seconds=LONG)
    child = children_of(runs[0])[0]
    os.kill(child.parent().pid, signal.SIGKILL)
    assert "viewloom" in slurm.said("squeue", "--noheader", "--format=%j")
    until(finished(*runs), each=coordinator.tick, seconds=LONG)
    for run in runs:
        assert (run.path / "encoder.safetensors").read_text() == value_after(160)
    coordinator._engine.close()
    slurm.until(lambda: "viewloom" not in slurm.said("squeue", "--noheader", "--format=%j"), "jobs are left over")


def test_a_job_over_two_nodes_that_is_requeued_or_ended_is_asked_for_again(queued, on, slurm):
    asked = Slurm(nodes=2, cores=1, memory="500MB")
    coordinator = on(SlurmPlace(EngineSettings(engine="slurm", slots=1, slurm=asked)))
    run = queued(behave={"steps": 400, "step_s": 0.05})

    def goes_on(attempt):
        found = run.state()
        return found["attempt"] == attempt and found["step"] > 0

    for attempt, lost in ((1, ["scontrol", "requeue"]), (2, ["scancel"])):  # pre-empted; its time is over
        until(lambda attempt=attempt: goes_on(attempt), each=coordinator.tick, seconds=LONG)
        job = slurm.said("squeue", "--noheader", "--format=%i", "--states=running").split()[0]
        slurm.said(*lost, job)
    until(finished(run), each=coordinator.tick, seconds=LONG)
    assert run.state()["attempt"] == 3
    assert (run.path / "encoder.safetensors").read_text() == value_after(400)
    coordinator._engine.close()


def test_one_run_goes_over_two_nodes_and_the_loss_of_one_only_delays_it(on, slurm):
    make_imageset()
    run = submit({"step_s": 0.1}, epochs=8, devices=2)
    asked = Slurm(nodes=2, cores=1, memory="1500MB")
    engine = DaskEngine(
        SlurmPlace(EngineSettings(engine="slurm", slots=1, slurm=asked)),
        warm=False,
        command=[sys.executable, str(REAL_CHILD)],
    )
    coordinator = Coordinator(engine)
    try:
        until(lambda: (run.path / "checkpoint.pt").exists(), each=coordinator.tick, seconds=LONG)
        (other,) = (one for one in _trainings(run) if "VIEWLOOM_EACH" in one.environ())
        assert {one.environ()["SLURMD_NODENAME"] for one in _trainings(run)} == {"node0", "node1"}
        other.kill()
        until(finished(run), each=coordinator.tick, seconds=LONG)
    finally:
        engine.close()
    log = (run.path / "log.txt").read_text()
    assert "on 2 devices (cpu) of 2 nodes" in log
    assert "the process of a device on the nodes was lost" in log
    assert run.state()["attempt"] == 2
    assert not list(run.path.glob(".ranks-*"))


def _trainings(run):
    named = (one for one in psutil.process_iter(["cmdline"]) if str(run.path) in (one.info["cmdline"] or []))
    return [one for one in named if "python" in one.name()]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"partition": "nowhere"}, "partition must be a partition of this cluster, got 'nowhere'. There is: debug"),
        ({"nodes": 3}, "nodes must be what the partition has, got 3"),
        ({"gpus": 2}, "gpus must be what a node of the partition has, got 2"),
        ({"cores": 512}, "SLURM refuses such a job"),
    ],
)
def test_what_slurm_would_refuse_is_said_before_anything_is_queued(slurm, asked, words):
    with pytest.raises(SpecError) as refused:
        open_engine(EngineSettings(engine="slurm", slurm=Slurm(**{"memory": "100MB", "cores": 1, **asked})))
    assert words in refused.value.message


def test_training_command_needs_no_engine_and_a_warning_of_slurm_writes_a_checkpoint_first(slurm, tmp_path):
    make_imageset()
    run = submit({"step_s": 0.1}, epochs=400)
    script = tmp_path / "job.sh"
    script.write_text(
        "#!/bin/bash\n#SBATCH --cpus-per-task=1 --mem=2G\n"
        f"export PYTHONPATH={ROOT}\nexec {sys.executable} {REAL_CHILD} {run.path}\n"
    )
    job = slurm.said("sbatch", "--parsable", f"--output={tmp_path}/out.txt", str(script)).strip()
    until(lambda: run.state()["step"] > 2, seconds=LONG)
    slurm.said("scancel", "--signal=USR1", "--batch", job)
    slurm.until(lambda: not slurm.said("squeue", "--noheader", "-j", job).strip(), "the job goes on")
    assert (run.path / "checkpoint.pt").exists()
    assert run.state()["state"] == "running"  # pre-empted: it goes on where it is started next
    assert "pre-empted" in run.log_tail()
