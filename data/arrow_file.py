"""The Arrow IPC file that a corpus is packed into: format, writer and reader.

One row per clip, in the order of canonical names; sample rate, source digest and schema version
are in the schema's metadata. Rows are written in batches of about 32 MB and memory-mapped for
reading: the samples of a clip are a view into the file.
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
_REQUIRED_TEXT = ("name", "file", "label", "detail", "sha256")


@dataclass(frozen=True)
class PackedClip:
    """One row of the file; ``samples`` is int16 mono [T]."""

    name: str
    file: str
    label: str
    samples: NDArray[np.int16]
    sha256: str
    fault: str | None = None
    detail: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


class DamagedStore(Exception):
    """A file that is not an intact store; the corpus is then packed again."""


def samples_sha256(samples: NDArray[np.int16]) -> str:
    """Return the SHA-256 of a clip's samples as little-endian int16."""
    return hashlib.sha256(samples.astype("<i2", copy=False).tobytes()).hexdigest()


def samples_digest(sample_rate: int, rows: Iterable[Sequence[object]]) -> str:
    """Return the digest of a corpus: the sample rate, and a row of facts for each clip."""
    text = json.dumps([sample_rate, [list(row) for row in rows]], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def write_store(
    path: Path, clips: Iterable[PackedClip], *, sample_rate: int, source: str, decoders: str
) -> None:
    """Write clips to ``path``, with one batch plus the longest clip in memory at most.

    Args:
        source: digest of the files.
        decoders: versions of the libraries that decoded them.
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
        batch: list[PackedClip] = []
        for clip in clips:
            batch.append(clip)
            if sum(c.samples.nbytes for c in batch) >= BATCH_BYTES:
                writer.write_batch(_record_batch(batch, schema))
                batch = []
        if batch:
            writer.write_batch(_record_batch(batch, schema))


class Store:
    """An open packed corpus: names, classes and faults in memory, samples memory-mapped.

    It pickles as its path.

    Attributes:
        names: canonical names, sorted.
        labels: index into ``classes`` for each clip.
        lengths: in samples.
        faults: why a clip is unusable, or None; a faulty clip has no samples.
        groups: for each column of the manifest that is present (group, track, artist, album,
            split, fold), one value per clip, or None.
        source_digest: of the files; ``samples_digest`` is that of the decoded samples.
        decoders: versions of the libraries that decoded the files.
    """

    def __init__(self, path: Path) -> None:
        """Open the file and check its structure, but not its samples (see ``verify``).

        Raises:
            DamagedStore: it is not an intact store of this version.
        """
        self.path = path
        try:
            source = pa.memory_map(str(path), "r")
            if source.read(len(_MAGIC)) != _MAGIC:  # Arrow itself checks only the end of the file
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
        required = {name: self._without_nulls(name, column[name]) for name in _REQUIRED_TEXT}
        self.names = required["name"]
        self.files = required["file"]
        self.classes = tuple(sorted(set(required["label"])))
        index = {label: i for i, label in enumerate(self.classes)}
        self.labels = tuple(index[label] for label in required["label"])
        self.faults = tuple(column["fault"])
        self.details = required["detail"]
        self.sha256 = required["sha256"]
        self.groups = {n: tuple(column[n]) for n in ATTRIBUTES if any(column[n])}
        self._map_samples(batches)
        self.samples_digest = samples_digest(self.sample_rate, self._rows())

    def samples(self, i: int) -> NDArray[np.int16]:
        """Return the samples of clip ``i``, int16 [T]: a read-only view into the memory map."""
        if not 0 <= i < len(self.names):
            raise IndexError(f"clip {i} of {len(self.names)}")
        batch = bisect_right(self._first, i) - 1
        offsets = self._offsets[batch]
        row = i - self._first[batch]
        return self._values[batch][offsets[row] : offsets[row + 1]]

    def class_names(self) -> tuple[str, ...]:
        """Return the class name of each clip."""
        return tuple(self.classes[label] for label in self.labels)

    def verify(self) -> None:
        """Read all samples and compare each clip with its digest.

        Raises:
            DamagedStore: the samples of a clip have changed.
        """
        for i, digest in enumerate(self.sha256):
            if samples_sha256(self.samples(i)) != digest:
                raise DamagedStore(f"{self.path}: samples of {self.names[i]!r} changed on disk")

    def __len__(self) -> int:
        return len(self.names)

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return (open_packed, (self.path,))

    def _without_nulls(self, name: str, values: Sequence[str | None]) -> tuple[str, ...]:
        texts = tuple(value for value in values if value is not None)
        if len(texts) < len(values):
            raise DamagedStore(f"{self.path}: missing values in column {name}")
        return texts

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
            # Arrow does not check offsets on opening; wrong ones would read other clips' samples.
            if min(steps, default=0) < 0 or offsets[0] < 0 or offsets[-1] > values.shape[0]:
                raise DamagedStore(f"{self.path}: offsets outside the samples")
            self._first.append(len(lengths))
            self._values.append(values)
            self._offsets.append(offsets)
            lengths += steps
        self.lengths = tuple(lengths)

    def _rows(self) -> Iterable[Sequence[object]]:
        """Yield the facts that ``samples_digest`` covers; any change invalidates all records."""
        labels = self.class_names()
        for i, name in enumerate(self.names):
            attributes = {column: values[i] for column, values in self.groups.items() if values[i]}
            yield [name, labels[i], self.lengths[i], self.sha256[i], attributes]


def numbers(array: pa.Array, dtype: type[Number]) -> NDArray[Number]:
    """Return an Arrow array of numbers as a NumPy view; ``Array.to_numpy`` would import pandas."""
    _, data = array.buffers()
    if data is None:
        return np.zeros(0, dtype)
    return np.frombuffer(data, dtype)[array.offset : array.offset + len(array)]


def open_packed(path: Path) -> Store:
    """Open a store by its path.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        return Store(Path(path))
    except DamagedStore as error:
        raise DataError(
            f"data store: must be an intact file, got damage ({error}) (pack again)"
        ) from None


def _schema() -> pa.Schema:
    text = [pa.field(name, pa.string()) for name in _TEXT]
    return pa.schema([*text, pa.field("samples", pa.large_list(pa.int16()))])


def _texts(batches: Sequence[pa.RecordBatch], name: str) -> list[str | None]:
    return [value for batch in batches for value in batch.column(name).to_pylist()]


def _record_batch(clips: Sequence[PackedClip], schema: pa.Schema) -> pa.RecordBatch:
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
