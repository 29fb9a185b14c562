"""Listing the clips of a corpus, before anything is decoded.

A corpus is a folder with one folder per class (audio anywhere below it), or a manifest.
"""

import os
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from genretune.data.clip_names import canonical_names, printable_utf8
from genretune.data.errors import DataError, printable_line
from genretune.data.manifest import SUFFIXES, manifest_in, manifest_rows

EXTENSIONS = frozenset({".wav", ".flac", ".au", ".ogg", ".mp3"})
"""Files with other extensions are not part of a corpus."""

GTZAN_MIRRORS = ("Data/genres_original", "genres_original", "Data/genres", "genres")
"""Where the common mirrors of GTZAN keep the class folders, below the unpacked folder."""

ATTRIBUTES = ("group", "track", "artist", "album", "split", "fold")
"""Optional columns of a manifest that genretune reads."""


@dataclass(frozen=True)
class Clip:
    """One audio file of a corpus.

    Attributes:
        name: canonical name.
        file: path below the corpus root, in printable UTF-8; ``path`` is the one to open.
        attributes: columns of a manifest, such as ``artist``; empty values are absent.
    """

    name: str
    label: str
    file: str
    path: Path
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Corpus:
    """Clips below one root, sorted by canonical name; ``notes`` lists what was left out."""

    root: Path
    clips: tuple[Clip, ...]
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names in alphabetical order."""
        return tuple(sorted({clip.label for clip in self.clips}))


def list_corpus(path: Path) -> Corpus:
    """List the clips of a folder with one folder per class, or of a manifest (a file or in it).

    Hidden files and folders are skipped. A file is a clip by its extension alone; whether it is
    audio turns out when it is decoded.

    Raises:
        DataError: the path is missing or unreadable, or there are no clips of at least two
            classes.
    """
    path = Path(path).absolute()
    if not path.exists():
        raise DataError(
            "data: must be a folder with one folder per class, "
            f"got no such path {printable_line(path)}"
        )
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        return _from_manifest(path)
    if not path.is_dir():
        raise DataError(
            "data: must be a folder with one folder per class or a .csv or .parquet manifest, "
            f"got the file {printable_line(path)}"
        )
    try:
        manifest = manifest_in(path)
        return _from_manifest(manifest) if manifest else _from_class_folders(path)
    except OSError as error:
        raise DataError(
            f"data: must be a readable folder, got {printable_line(path)} ({error})"
        ) from None


def _from_class_folders(path: Path) -> Corpus:
    root = _class_root(path)
    files: list[str] = []
    for folder in _folders(root):
        files += [f"{folder}/{inner}" for inner in _audio_below(root / folder)]
    if not files:
        kinds = " ".join(sorted(EXTENSIONS))
        raise DataError(
            f"data: must be a folder with one folder per class, got {printable_line(path)} without "
            f"any audio file in a subfolder (expected DIR/<class>/<file>, {kinds})"
        )
    stray = [f for f in os.listdir(root) if _is_clip(f) and not (root / f).is_dir()]
    notes = [f"{len(stray)} audio files lie beside the class folders: left out"] if stray else []
    corpus = make_corpus(root, files, [printable_utf8(file.split("/")[0]) for file in files])
    return replace(corpus, notes=tuple(notes))


def _from_manifest(manifest: Path) -> Corpus:
    """Return the corpus of a manifest; a missing file that it lists is a clip with a fault."""
    rows = manifest_rows(manifest, ATTRIBUTES)
    corpus = make_corpus(
        manifest.parent,
        [row["file"] for row in rows],
        [row["label"] for row in rows],
        [{k: v for k, v in row.items() if k in ATTRIBUTES} for row in rows],
    )
    listed = {row["file"] for row in rows}
    unlisted = [f for f in _audio_below(manifest.parent) if f not in listed]
    notes: tuple[str, ...] = ()
    if unlisted:
        notes = (
            f"{len(unlisted)} audio files are not in {printable_line(manifest.name)}: left out",
        )
    return replace(corpus, notes=notes)


def make_corpus(
    root: Path,
    files: list[str],
    labels: list[str],
    attributes: list[dict[str, str]] | None = None,
) -> Corpus:
    """Return the corpus of files given by their paths below ``root``, sorted by canonical name.

    Raises:
        DataError: there are fewer than two classes.
    """
    classes = Counter(labels)
    if len(classes) < 2:
        only = printable_line(next(iter(classes)))
        raise DataError(f"data: must have at least two classes, got only {only!r}")
    names = canonical_names(files, labels)
    columns = attributes or [{} for _ in files]
    clips = [
        Clip(name, label, printable_utf8(file), root / file, values)
        for name, label, file, values in zip(names, labels, files, columns, strict=True)
    ]
    return Corpus(root, tuple(sorted(clips, key=lambda clip: clip.name)))


def _class_root(path: Path) -> Path:
    """Return the folder of the class folders: ``path``, or where a GTZAN mirror keeps them."""
    for inner in GTZAN_MIRRORS:
        candidate = path / inner
        if candidate.is_dir() and any(_audio_below(candidate / f) for f in _folders(candidate)):
            return candidate
    return path


def _folders(root: Path) -> list[str]:
    with os.scandir(root) as entries:
        return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))


def _audio_below(folder: Path) -> list[str]:
    """Return the paths below ``folder`` with an audio extension, sorted.

    Dangling links and folders called ``x.wav`` are included, so that the scan reports them as
    faulty clips instead of skipping them silently.
    """
    paths: list[str] = []
    for at, folders, files in os.walk(folder, onerror=_raise):
        inner = os.path.relpath(at, folder)
        named_like_audio = [f for f in folders if _is_clip(f)]
        # Changing the list in place is how os.walk is told which folders to descend into.
        folders[:] = sorted(f for f in folders if not f.startswith(".") and not _is_clip(f))
        for name in (*files, *named_like_audio):
            if _is_clip(name):
                paths.append(name if inner == "." else f"{inner.replace(os.sep, '/')}/{name}")
    return sorted(paths)


def _raise(error: OSError) -> None:
    """Report an unreadable folder, which os.walk would otherwise treat as empty."""
    raise error


def _is_clip(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in EXTENSIONS
