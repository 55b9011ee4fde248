"""Which module is to blame: a file is run beside what it should be, module by module."""
