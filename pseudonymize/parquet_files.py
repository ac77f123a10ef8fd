"""Parquet files, some rows at a time. Texts that a file holds as dictionaries come as such, and are not spread out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pseudonymize.distinct import Coded, encoded

_BUFFER: Final = 1 << 20  # bytes a column; without it a whole row group is read at once
_ROW_GROUP: Final = range(1 << 14, 1 << 22)  # rows: of smaller groups, batches would be too small; in larger ones, a
# dictionary that the writer gave up would grow with the rows
_DICTIONARY: Final = 8  # bytes a row at most; where there are more, the writer gave the dictionary up, or nearly every
# row of a group has a value of its own, and plain texts are read twice as fast
_TEXTS: Final = frozenset({pa.string(), pa.large_string()})


def record_batches(path: Path, *, rows: int, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """At most so many rows at a time; with dictionaries, no batch holds rows of two row groups."""
    metadata = pq.read_metadata(path)
    named = dictionaries_in(metadata)
    with pq.ParquetFile(path, metadata=metadata, pre_buffer=False, buffer_size=_BUFFER, read_dictionary=named) as file:
        yield from file.iter_batches(batch_size=rows, columns=columns, use_threads=False)


def dictionaries_in(metadata: pq.FileMetaData) -> list[str]:
    """The columns of text that are worth reading as dictionaries."""
    if not metadata.num_row_groups or metadata.num_rows // metadata.num_row_groups not in _ROW_GROUP:
        return []
    texts = {field.name for field in metadata.schema.to_arrow_schema() if field.type in _TEXTS}
    first = metadata.row_group(0)
    chunks = [first.column(place) for place in range(first.num_columns)]
    return [
        chunk.path_in_schema
        for chunk in chunks
        if chunk.path_in_schema in texts
        and chunk.has_dictionary_page
        and chunk.total_uncompressed_size < chunk.num_values * _DICTIONARY
    ]


def columns_of(batches: Sequence[pa.RecordBatch]) -> tuple[pl.DataFrame, dict[str, Coded]]:
    """The columns of some batches of one file: those that came as dictionaries of text apart."""
    schema = batches[0].schema
    coded = [field.name for field in schema if pa.types.is_dictionary(field.type) and field.type.value_type in _TEXTS]
    rest = [name for name in schema.names if name not in coded]
    frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch.select(rest) for batch in batches]), rechunk=True))
    return frame, {name: _joined(name, [batch.column(name) for batch in batches]) for name in coded}


def dictionary(column: Coded) -> pa.DictionaryArray:
    """For a Parquet writer: no value is in it that stands in no row, and none twice, which pyarrow writes wrongly."""
    column = column.used()
    values, places = column.values, column.places
    if values.hash().n_unique() < len(values):
        own = encoded(values)
        values, places = own.values, own.places.gather(places)
    held = values.is_not_null()
    number = (np.cumsum(held.to_numpy()) - 1).clip(0).astype(np.int32)[places.to_numpy()]
    texts = values.filter(held).to_arrow(compat_level=pl.CompatLevel.oldest())
    filled = None
    if not held.all():  # bit by bit: what polars leaves below an empty cell is any number, and would be written
        rows = held.gather(places).to_numpy()
        number[~rows] = 0
        filled = pa.py_buffer(np.packbits(rows, bitorder="little"))
    indices = pa.Array.from_buffers(pa.int32(), len(number), [filled, pa.py_buffer(number)])
    return pa.DictionaryArray.from_arrays(indices, texts)


def _joined(name: str, arrays: Sequence[pa.DictionaryArray]) -> Coded:
    """Dictionaries of several row groups as one."""
    values, places, begin = [], [], 0
    for array in arrays:
        words = pl.Series(pl.from_arrow(array.dictionary), dtype=pl.String)
        indices = pl.Series(pl.from_arrow(array.indices), dtype=pl.UInt32)
        if indices.null_count():
            indices = indices.fill_null(len(words))
            words = words.append(pl.Series([None], dtype=pl.String))
        values.append(words)
        places.append(indices + begin)
        begin += len(words)
    whole = Coded(pl.concat(values).alias(name), pl.concat(places))
    if len(arrays) > 1:
        among = encoded(whole.values)
        whole = Coded(among.values, among.places.gather(whole.places))
    return whole.used()
