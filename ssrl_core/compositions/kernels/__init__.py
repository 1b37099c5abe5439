"""Compiled loops over the pixels of one image, for the CPU. The torch functions beside them say the same slowly.

Every kernel releases the GIL and uses one thread (pieces of the work run side by side, `views.each`). Kernels
are compiled on first use, one type each, and kept on disk for the next process. None may depend on the neighbours in a
batch.
"""
