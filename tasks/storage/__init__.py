"""The object store: keys, the S3 client, records, snapshots and runs."""
