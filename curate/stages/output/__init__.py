"""Stages that write what passes by."""
