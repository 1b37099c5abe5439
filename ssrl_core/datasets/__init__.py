"""Pixels and what is known of them: image sets on disk, where they come from, how they are split and pictured."""
