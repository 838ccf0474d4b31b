"""Scores by text classifiers: any fastText file, the bundled models, and what to do with a score."""
