"""Viewloom's library: choose the image transformations of self-supervised training, see what a network then encodes.

Nothing heavy is imported here: `import ssrl_core` leaves torch, umap and lpips alone.
"""

__version__ = "0.1.0"
