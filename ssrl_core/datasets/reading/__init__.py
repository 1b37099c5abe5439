"""From a file, a folder or a zip to what was understood of it, and to arrays and a table."""
