"""Images on their way to the network: reading, augmentation, loaders."""
