"""What lies on disk: bytes, keys, dialects of other tools, and writing that fails without harm."""
