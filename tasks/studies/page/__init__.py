"""The page about a study of settings: what to take, and accuracy against time and size."""
