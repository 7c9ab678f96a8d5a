"""Files and databases, read."""
