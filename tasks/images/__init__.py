"""Image pixels and image names, whatever they are used for."""
