"""Images on their way to the network: decoding, caching, augmentation, loaders."""
