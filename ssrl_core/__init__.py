"""Viewloom's library: choose the image transformations of self-supervised training and see what they make a network encode.

Nothing heavy is imported here: `import ssrl_core` leaves torch, umap and lpips alone.
"""

__version__ = "0.1.0"
