"""Carries a recipe out: plan (recipe → phases), run (phases on Ray), commit (atomic files, manifest), ledger."""
