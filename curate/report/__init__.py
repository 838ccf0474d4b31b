"""The run's report: one self-contained page, made from the run's folder alone."""
