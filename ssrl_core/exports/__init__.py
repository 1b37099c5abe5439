"""Taking runs to other people's tools."""
