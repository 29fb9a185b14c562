"""What a corpus consists of, before anything is decoded.

A corpus is a folder with one folder per class (audio anywhere below it), or a manifest.
"""

import os
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from genretune.data.clip_names import canonical_names, printable_utf8
from genretune.data.errors import DataError, shown
from genretune.data.manifest import SUFFIXES, manifest_in, manifest_rows

EXTENSIONS = frozenset({".wav", ".flac", ".au", ".ogg", ".mp3"})
"""Files with other extensions are not part of a corpus."""

MIRRORS = ("Data/genres_original", "genres_original", "Data/genres", "genres")
"""Where usual mirrors of GTZAN keep the class folders, below what the user unpacked."""

ATTRIBUTES = ("group", "track", "artist", "album", "split", "fold")
"""Optional columns of a manifest that genretune reads."""


@dataclass(frozen=True)
class Clip:
    """One audio file: canonical name, class, path, and what a manifest says about it."""

    name: str
    label: str
    file: str
    path: Path
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Corpus:
    """Clips sorted by canonical name, below one root; `notes` says what was left aside."""

    root: Path
    clips: tuple[Clip, ...]
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in alphabetical order."""
        return tuple(sorted({clip.label for clip in self.clips}))


def list_corpus(path: Path) -> Corpus:
    """The clips of a folder-per-class tree, or of a manifest (a file, or in the folder).

    Hidden files and folders are skipped. A file is a clip by its extension alone; whether it is
    audio shows when it is decoded. Errors: DataError when there is nothing to list.
    """
    path = Path(path).absolute()
    if not path.exists():
        raise DataError(f"data: a folder with one folder per class, got no such path {shown(path)}")
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        return _listed(path)
    if not path.is_dir():
        raise DataError(
            f"data: a folder with one folder per class or a .csv or .parquet manifest, "
            f"got the file {shown(path)}"
        )
    try:
        manifest = manifest_in(path)
        return _listed(manifest) if manifest else _tree(path)
    except OSError as error:
        raise DataError(f"data: a folder that can be read, got {shown(path)} ({error})") from None


def _tree(path: Path) -> Corpus:
    root = _root(path)
    files: list[str] = []
    for folder in _folders(root):
        files += [f"{folder}/{inner}" for inner in _audio_below(root / folder)]
    if not files:
        kinds = " ".join(sorted(EXTENSIONS))
        raise DataError(
            f"data: a folder with one folder per class, got {shown(path)} without any audio file "
            f"in a sub-folder (wanted DIR/<class>/<file>, {kinds})"
        )
    beside = [f for f in os.listdir(root) if _is_clip(f) and not (root / f).is_dir()]
    notes = [f"{len(beside)} audio files lie beside the class folders: left out"] if beside else []
    corpus = make_corpus(root, files, [printable_utf8(file.split("/")[0]) for file in files])
    return replace(corpus, notes=tuple(notes))


def _listed(manifest: Path) -> Corpus:
    """The corpus of a manifest; a file it names that is not there is a clip with a fault."""
    rows = manifest_rows(manifest, ATTRIBUTES)
    corpus = make_corpus(
        manifest.parent,
        [row["file"] for row in rows],
        [row["label"] for row in rows],
        [{k: v for k, v in row.items() if k in ATTRIBUTES} for row in rows],
    )
    listed = {row["file"] for row in rows}
    more = [f for f in _audio_below(manifest.parent) if f not in listed]
    notes = [f"{len(more)} audio files are not in {shown(manifest.name)}: left out"] if more else []
    return replace(corpus, notes=tuple(notes))


def make_corpus(
    root: Path,
    files: list[str],
    labels: list[str],
    attributes: list[dict[str, str]] | None = None,
) -> Corpus:
    """Corpus of files given by their paths below `root`, sorted by canonical name."""
    classes = Counter(labels)
    if len(classes) < 2:
        raise DataError(f"data: at least two classes, got only {shown(next(iter(classes)))!r}")
    names = canonical_names(files, labels)
    given = attributes or [{} for _ in files]
    clips = [
        Clip(name, label, printable_utf8(file), root / file, extra)
        for name, label, file, extra in zip(names, labels, files, given, strict=True)
    ]
    return Corpus(root, tuple(sorted(clips, key=lambda clip: clip.name)))


def _root(path: Path) -> Path:
    """The folder that holds the class folders: `path`, or where a GTZAN mirror keeps them."""
    for inner in MIRRORS:
        candidate = path / inner
        if candidate.is_dir() and any(_audio_below(candidate / f) for f in _folders(candidate)):
            return candidate
    return path


def _folders(root: Path) -> list[str]:
    with os.scandir(root) as entries:
        return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))


def _audio_below(folder: Path) -> list[str]:
    """Paths below `folder` that look like audio, sorted; dangling links and odd folders too.

    A folder called x.wav is listed as the clip it pretends to be, so that the scan names it.
    """
    found: list[str] = []
    for at, folders, files in os.walk(folder, onerror=_stop):
        inner = os.path.relpath(at, folder)
        posing = [f for f in folders if _is_clip(f)]
        folders[:] = sorted(f for f in folders if not f.startswith(".") and not _is_clip(f))
        for name in (*files, *posing):
            if _is_clip(name):
                found.append(name if inner == "." else f"{inner.replace(os.sep, '/')}/{name}")
    return sorted(found)


def _stop(error: OSError) -> None:
    """A folder that cannot be read is an error, not an empty folder."""
    raise error


def _is_clip(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in EXTENSIONS
