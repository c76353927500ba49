"""Models as a hub and a disk would hold them, made for tests; tensors are declared and never exist."""
