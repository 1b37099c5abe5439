"""The coordinator and its engines: what runs where, and when."""
