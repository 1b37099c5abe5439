"""The forecast beside trained networks: `python -m bench.calibration`, see `__main__`."""
