"""The recipe as data, torch-free: compositions, runs, sweeps, and the tables of transforms, methods and backbones."""
