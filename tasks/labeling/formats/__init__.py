"""Label formats: which one an export has, and reading it into annotations."""
