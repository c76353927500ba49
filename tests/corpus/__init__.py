"""Real start-up logs against the engine's own prediction: ``python -m tests.corpus`` prints the comparison."""
