"""The registry of runs (an index that can be made again), submitting, order, sweeps, tables."""
