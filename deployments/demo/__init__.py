"""The demo: drawn images and the whole chain on them."""
