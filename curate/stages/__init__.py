"""The built-in stages, one folder a family. This table is all that is imported until a recipe uses one."""

BUILT_IN: dict[str, str] = {
    "extract": "curate.stages.extract.stage:Extract",
}
"""What a recipe calls a stage → "module:Class"."""
