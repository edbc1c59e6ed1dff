"""Checks of labels: what is wrong with boxes, image files, and images that repeat."""
