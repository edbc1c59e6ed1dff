"""A published model on new images, without torch."""
