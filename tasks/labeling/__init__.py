"""Labels: exports in, snapshots out."""
