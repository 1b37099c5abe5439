"""A training child without training: lock, parent watch, state, checkpoints, exit codes; steps of a few milliseconds.

Usage: fake_child.py RUN_DIR --end-with-parent. What it does besides is read from RUN_DIR/behave.json:
{"steps": 40, "step_s": 0.02, "crash_at": step, "silent_at": step, "fail_at": step}.
"""

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ssrl_core import stores
from ssrl_core.runs.child import process
from ssrl_core.runs.folder.locks import Lock
from ssrl_core.runs.folder.state import StateWriter


def main(folder: Path) -> int:
    process.end_with_parent()
    behave = {"steps": 40, "step_s": 0.02} | _json(folder / "behave.json")
    lock = Lock(folder / "lock")
    if not lock.take():
        return 4
    state = StateWriter(folder, {"viewloom": "0", "python": "3", "torch": None, "git": None})
    chain = _json(folder / "checkpoint.pt") or {"step": 0, "value": "start"}
    done = folder / "encoder.safetensors"
    while chain["step"] < behave["steps"]:
        if (folder / "STOP").exists():
            state.end("stopped")
            return 3
        step = chain["step"]
        if behave.get("crash_at") == step:
            os.kill(os.getpid(), signal.SIGUSR1)  # an end of its own making, without a core on the disk
        if behave.get("silent_at") == step and not (folder / "was_silent").exists():
            (folder / "was_silent").touch()
            os.kill(os.getpid(), signal.SIGSTOP)
        if behave.get("fail_at") == step:
            error = {"type": "RunError", "where": "step", "message": "It failed as planned.", "remedy": "None."}
            print(json.dumps({"error": error}), flush=True)
            state.end("failed", error)
            return 1
        time.sleep(behave["step_s"])
        chain = {"step": step + 1, "value": hashlib.sha256(f"{chain['value']}{step}".encode()).hexdigest()}
        state.update(phase="train", step=chain["step"], steps=behave["steps"], progress=chain["step"] / behave["steps"])
        if chain["step"] % 5 == 0:
            text = json.dumps(chain)
            stores.replace(folder / "checkpoint.pt", text)
            stores.replace(folder / "checkpoint.pt.sha256", hashlib.sha256(text.encode()).hexdigest())
    stores.replace(done, chain["value"])
    state.end("done")
    return 0


def _json(path: Path) -> dict:
    return json.loads(path.read_text()) if path.is_file() else {}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
