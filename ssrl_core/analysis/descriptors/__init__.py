"""Numbers of an image that a person understands. A new one is one file here and one row in `table.py`."""
