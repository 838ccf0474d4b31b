"""Kernels meet one type of array, however Arrow came by its buffers: else each would be compiled a second time in the
first run that meets the other."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from curate.stages.words import utf8_buffers


def test_the_bytes_of_a_column_are_read_only_whatever_made_it() -> None:
    from_python = pa.array(["one", None, "three"])
    from_bytes = pa.RecordBatch.from_pydict({"t": from_python}).serialize()
    read = pa.ipc.read_record_batch(from_bytes, pa.schema([("t", pa.string())])).column(0)
    for texts in (from_python, pc.utf8_upper(from_python), read, pa.array([], pa.string())):
        data, _ = utf8_buffers(texts)
        assert not data.flags.writeable
