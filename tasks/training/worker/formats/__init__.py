"""Files of a trained network for those who use it: writing them, and measuring each against the network."""
