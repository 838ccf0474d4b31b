"""Trouble with places that fsspec knows, said so that a user can mend it: no credentials, no such protocol, no answer.

The libraries behind fsspec raise exceptions of their own, which are no OSError and do not name the place.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

LIBRARIES = {"adlfs", "aiobotocore", "aiohttp", "azure", "botocore", "gcsfs", "google"}
"""Top-level modules whose exceptions are about storage; nothing of them is imported here."""

CREDENTIALS = (
    "give credentials as fsspec's filesystem takes them, for S3 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or "
    "AWS_PROFILE, on every machine of a cluster (docs/operations.md)"
)


class StorageError(OSError):
    """A place cannot be reached: it says which, what the storage said, and what to do."""


def trouble(error: BaseException) -> str | None:
    """What an exception says of storage, with what to do; None if it is about something else."""
    if type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError"):
        return f"{error}; {CREDENTIALS}"
    if isinstance(error, ValueError) and str(error).startswith("Protocol not known"):
        return f"{error}; allowed: a path, or a URL that fsspec knows, such as s3://bucket/folder"
    if type(error).__module__.partition(".")[0] in LIBRARIES:
        return str(error) or type(error).__name__
    return None


@contextmanager
def reaching(place: str) -> Iterator[None]:
    """StorageError, naming the place, for whatever storage raises in the block."""
    try:
        yield
    except Exception as error:
        said = trouble(error)
        if said is None and isinstance(error, OSError | ImportError):
            said = str(error)
        if said is None or isinstance(error, StorageError):
            raise
        raise StorageError(f"{place}: {said}") from error
