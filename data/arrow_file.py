"""The Arrow IPC file that a corpus is packed into: format, writer and reader.

One row a clip, in the order of canonical names; sample rate, source digest and schema version in
the schema's metadata. Rows are written in batches of about 32 MB, and read by memory map: the
samples of a clip are a view into the file.
"""

import hashlib
import json
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from genretune.data.corpus import ATTRIBUTES
from genretune.data.errors import DataError

VERSION = "1"
BATCH_BYTES = 32 << 20

Number = TypeVar("Number", bound=np.generic)

_MAGIC = b"ARROW1"
_TEXT = ("name", "file", "label", "fault", "detail", "sha256", *ATTRIBUTES)


@dataclass(frozen=True)
class Packed:
    """One clip as it goes into the file; `samples` is int16 mono [T]."""

    name: str
    file: str
    label: str
    samples: NDArray[np.int16]
    sha256: str
    fault: str | None = None
    detail: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


class DamagedStore(Exception):
    """The file is not a whole store; never shown to the user, who gets a new pack."""


def samples_sha256(samples: NDArray[np.int16]) -> str:
    """Digest of a clip's samples, little-endian int16."""
    return hashlib.sha256(samples.astype("<i2", copy=False).tobytes()).hexdigest()


def samples_digest(sample_rate: int, rows: Iterable[Sequence[object]]) -> str:
    """Digest of a whole corpus: the rate, and each clip's row of facts with its samples' digest."""
    text = json.dumps([sample_rate, [list(row) for row in rows]], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def write_store(
    path: Path, clips: Iterable[Packed], *, sample_rate: int, source: str, decoders: str
) -> None:
    """Write clips to `path`; memory is bounded by one batch and the longest clip.

    `source` is the digest of the files, `decoders` the versions that decoded them.
    """
    schema = _schema().with_metadata(
        {
            "genretune.store": VERSION,
            "sample_rate": str(sample_rate),
            "source_digest": source,
            "decoders": decoders,
        }
    )
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        batch: list[Packed] = []
        for clip in clips:
            batch.append(clip)
            if sum(c.samples.nbytes for c in batch) >= BATCH_BYTES:
                writer.write_batch(_record_batch(batch, schema))
                batch = []
        if batch:
            writer.write_batch(_record_batch(batch, schema))


class Store:
    """An opened corpus: names, classes and faults in memory, samples by memory map.

    `names` are canonical and sorted; `labels` index `classes`; `lengths` are in samples;
    `groups` maps each column of a manifest (group, track, artist, album, split, fold) that is
    there to one value a clip, or None. `faults` names what makes a clip unfit, or None; a faulty
    clip has no samples. Pickles as its path.
    """

    def __init__(self, path: Path) -> None:
        """Open and check the structure. Errors: DamagedStore."""
        self.path = path
        try:
            source = pa.memory_map(str(path), "r")
            if source.read(len(_MAGIC)) != _MAGIC:  # Arrow itself looks at the end only
                raise ValueError("no Arrow file")
            reader = pa.ipc.open_file(source)
            batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
            for batch in batches:
                batch.validate()
            meta = {k.decode(): v.decode() for k, v in (reader.schema.metadata or {}).items()}
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DamagedStore(f"{path}: {error}") from None
        if meta.get("genretune.store") != VERSION or not reader.schema.equals(_schema()):
            raise DamagedStore(f"{path}: another schema")
        self.sample_rate = int(meta["sample_rate"])
        self.source_digest = meta["source_digest"]
        self.decoders = meta["decoders"]
        column = {name: _texts(batches, name) for name in _TEXT}
        self.names = tuple(name or "" for name in column["name"])
        self.files = tuple(name or "" for name in column["file"])
        self.classes = tuple(sorted({label or "" for label in column["label"]}))
        index = {label: i for i, label in enumerate(self.classes)}
        self.labels = tuple(index[label or ""] for label in column["label"])
        self.faults = tuple(column["fault"])
        self.details = tuple(text or "" for text in column["detail"])
        self.sha256 = tuple(text or "" for text in column["sha256"])
        self.groups = {n: tuple(column[n]) for n in ATTRIBUTES if any(column[n])}
        self._map_samples(batches)
        self.samples_digest = samples_digest(self.sample_rate, self._rows())

    def samples(self, i: int) -> NDArray[np.int16]:
        """Samples of clip i, int16 [T], read-only, a view into the memory map."""
        if not 0 <= i < len(self.names):
            raise IndexError(f"clip {i} of {len(self.names)}")
        batch = bisect_right(self._first, i) - 1
        offsets = self._offsets[batch]
        row = i - self._first[batch]
        return self._values[batch][offsets[row] : offsets[row + 1]]

    def class_names(self) -> tuple[str, ...]:
        """Class name of each clip."""
        return tuple(self.classes[label] for label in self.labels)

    def verify(self) -> None:
        """Read everything and compare each clip with its digest. Errors: DamagedStore."""
        for i, digest in enumerate(self.sha256):
            if samples_sha256(self.samples(i)) != digest:
                raise DamagedStore(f"{self.path}: samples of {self.names[i]!r} changed on disk")

    def __len__(self) -> int:
        return len(self.names)

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return (open_packed, (self.path,))

    def _map_samples(self, batches: Sequence[pa.RecordBatch]) -> None:
        self._first: list[int] = []
        self._values: list[NDArray[np.int16]] = []
        self._offsets: list[list[int]] = []
        lengths: list[int] = []
        for batch in batches:
            lists = batch.column("samples")
            values = numbers(lists.values, np.int16)
            offsets = numbers(lists.offsets, np.int64).tolist()
            steps = [b - a for a, b in zip(offsets, offsets[1:], strict=False)]
            if min(steps, default=0) < 0 or offsets[0] < 0 or offsets[-1] > values.shape[0]:
                raise DamagedStore(f"{self.path}: offsets outside the samples")
            self._first.append(len(lengths))
            self._values.append(values)
            self._offsets.append(offsets)
            lengths += steps
        self.lengths = tuple(lengths)

    def _rows(self) -> Iterable[Sequence[object]]:
        labels = self.class_names()
        for i, name in enumerate(self.names):
            extra = {column: values[i] for column, values in self.groups.items() if values[i]}
            yield [name, labels[i], self.lengths[i], self.sha256[i], extra]


def numbers(array: pa.Array, dtype: type[Number]) -> NDArray[Number]:
    """An Arrow array of plain numbers as a NumPy view; Array.to_numpy would import pandas."""
    _, data = array.buffers()
    if data is None:
        return np.zeros(0, dtype)
    return np.frombuffer(data, dtype)[array.offset : array.offset + len(array)]


def open_packed(path: Path) -> Store:
    """Open a store by its path. Errors: DataError when it is gone or damaged."""
    try:
        return Store(Path(path))
    except DamagedStore as error:
        raise DataError(f"data store: a whole file, got damage ({error}) (pack again)") from None


def _schema() -> pa.Schema:
    text = [pa.field(name, pa.string()) for name in _TEXT]
    return pa.schema([*text, pa.field("samples", pa.large_list(pa.int16()))])


def _texts(batches: Sequence[pa.RecordBatch], name: str) -> list[str | None]:
    return [value for batch in batches for value in batch.column(name).to_pylist()]


def _record_batch(clips: Sequence[Packed], schema: pa.Schema) -> pa.RecordBatch:
    offsets = np.cumsum([0, *(clip.samples.shape[0] for clip in clips)]).astype(np.int64)
    values = np.concatenate([clip.samples for clip in clips]).astype(np.int16, copy=False)
    text: dict[str, list[str | None]] = {
        "name": [clip.name for clip in clips],
        "file": [clip.file for clip in clips],
        "label": [clip.label for clip in clips],
        "fault": [clip.fault for clip in clips],
        "detail": [clip.detail for clip in clips],
        "sha256": [clip.sha256 for clip in clips],
    }
    for name in ATTRIBUTES:
        text[name] = [clip.attributes.get(name) for clip in clips]
    arrays = [pa.array(text[name], pa.string()) for name in _TEXT]
    lists = pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(values))
    return pa.record_batch([*arrays, lists], schema=schema)
