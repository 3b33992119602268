"""Coverage-guided fuzzing of every parser of our own: `python -m tests.fuzz NAME --seconds N`."""
