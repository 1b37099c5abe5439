"""Viewloom's library: choose the image transformations of self-supervised training, see what a network then encodes.

Nothing heavy is imported here: `import ssrl_core` leaves torch, umap and lpips alone.
"""

import os

__version__ = "0.2.0"

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # torch asks Linux for large pages: fewer faults for every new batch
