"""The process that learns, then evaluates."""
