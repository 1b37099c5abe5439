"""The real training child, with checkpoints every moment and slow steps, so that a test can kill it in between.

Reads RUN_DIR/behave.json: {"step_s": seconds each step takes longer, "disk_full": true while checkpoints find no room}.
"""

import errno
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ssrl_core import stores
from ssrl_core.runs.child import process, train


def main() -> int:
    folder = Path(sys.argv[1])
    plain_wanted, plain_replace = process.StopRequest.wanted, stores.replace

    def behave() -> dict:
        file = folder / "behave.json"
        return json.loads(file.read_text()) if file.is_file() else {}

    def wanted(self) -> bool:
        time.sleep(behave().get("step_s", 0.0) if self.training else 0.0)
        return plain_wanted(self)

    def replace(path, content) -> None:
        if behave().get("disk_full") and path.name == "checkpoint.pt":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        plain_replace(path, content)

    process.StopRequest.wanted = wanted
    stores.replace = replace
    from ssrl_core.learning import loop

    loop.CHECKPOINT_EVERY_S = loop._EPOCH_CHECKPOINT_AFTER_S = 0.1
    loop._CHECKPOINT_SHARE = 1.0
    return train.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
