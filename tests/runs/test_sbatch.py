"""The example of a job of one's own, on a one-node SLURM: it trains what waits, and goes back when its time is over."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ssrl_core.runs.queue import registry
from tests.kit import ROOT, make_imageset
from tests.runs.cluster import SlurmCluster, environment
from tests.runs.test_train import submit

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="POSIX")]
SCRIPT = ROOT / "docs" / "examples" / "viewloom.sbatch"


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    cluster = SlurmCluster(tmp_path)
    monkeypatch.setenv("SLURM_CONF", str(cluster.conf))
    yield cluster
    cluster.close()


def sbatch(folder) -> str:
    """Submit the example as it stands; the number of the job."""
    own = environment(VIEWLOOM_ENV=sys.prefix)
    words = ["sbatch", "--parsable", f"--output={folder}/job.log", str(SCRIPT)]
    done = subprocess.run(words, cwd=ROOT, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_job_trains_what_waits_and_goes_back_into_the_queue_before_its_time_is_over(slurm, tmp_path):
    make_imageset()
    first, long = submit(), submit(epochs=5000, seed=2)
    job = sbatch(tmp_path)
    slurm.until(lambda: registry.require(first.id)["state"] == "done", "nothing was trained", 150)
    slurm.until(lambda: long.state()["state"] == "running" and long.path.joinpath("checkpoint.pt").exists(), "no", 60)
    slurm.said("scancel", "--signal=USR1", "--batch", job)  # what SLURM does two minutes before the end
    slurm.until(lambda: registry.require(long.id)["state"] == "queued", "the run is not back in the queue")
    slurm.until(lambda: "PENDING" in slurm.said("squeue", "--noheader", "--format=%T", "--jobs", job), "nor is the job")
    slurm.said("scancel", job)
