"""The commands that need both a recipe and the engine, one module each: `add_arguments(parser)` and `run(args)`."""


class UsageError(ValueError):
    """A command was called wrongly; exit status 2."""
