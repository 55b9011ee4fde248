"""Cutting module calls out of a file: what belongs to one, what it reads and gives, its bytes."""
