"""What lies on disk: bytes, keys, dialects of other tools, and writing that a failure cannot spoil."""
