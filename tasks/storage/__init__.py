"""The object store: keys, the door to S3, records, snapshots, leases and checkpoints."""
