"""Objects below an S3 URI: put, get, list, delete. Imports neither Ray nor torch.

Credentials come from where AWS's own tools take them (environment, ~/.aws, the machine's role),
never from the URI, which is recorded. Source: https://arrow.apache.org/docs/python/filesystems.html
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, cast
from urllib.parse import urlsplit

from genretune.tune.errors import TuneError
from genretune.tune.storage.atomic_io import StorageFailure

_EXAMPLE = "s3://BUCKET/PREFIX, or s3://BUCKET/PREFIX?region=eu-central-1&endpoint_override=HOST"


class ObjectStore:
    """The objects below ``s3://BUCKET/PREFIX``; names are relative to it, with slashes.

    Raises:
        TuneError: the URI is invalid.
        StorageFailure: (all methods) S3 cannot be reached, or refuses the request.
    """

    def __init__(self, uri: str) -> None:
        check_uri(uri)
        self.uri = uri
        from pyarrow import fs

        with self._as_storage_failure(uri):
            try:
                system, root = fs.FileSystem.from_uri(uri)
            except ValueError as error:  # raised by pyarrow for unknown query parameters
                raise TuneError(
                    f"--storage: must be like {_EXAMPLE}, got {uri} ({error})"
                ) from error
        self._system: Any = system
        self._root: str = root

    def put(self, name: str, content: bytes) -> None:
        """Write or replace an object; S3 makes it visible as a whole or not at all."""
        with (
            self._as_storage_failure(name),
            self._system.open_output_stream(self._path(name)) as stream,
        ):
            stream.write(content)

    def get(self, name: str) -> bytes | None:
        """Return the content of an object; None if it does not exist."""
        try:
            with self.open(name) as file:
                return file.read()
        except FileNotFoundError:
            return None

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open an object for reading at any position.

        Raises:
            FileNotFoundError: it does not exist.
        """
        with (
            self._as_storage_failure(name),
            self._system.open_input_file(self._path(name)) as file,
        ):
            yield cast(IO[bytes], file)

    def sizes(self, prefix: str = "") -> dict[str, int]:
        """Return the size in bytes of every object below ``prefix``, by name."""
        from pyarrow import fs

        path = self._path(prefix) if prefix else self._root
        selector = fs.FileSelector(path, recursive=True, allow_not_found=True)
        with self._as_storage_failure(prefix):
            entries = self._system.get_file_info(selector)
        start = len(self._root) + 1
        return {e.path[start:]: e.size for e in entries if e.type == fs.FileType.File}

    def delete(self, name: str) -> None:
        """Delete an object if it exists."""
        try:
            with self._as_storage_failure(name):
                self._system.delete_file(self._path(name))
        except FileNotFoundError:
            pass

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _as_storage_failure(self, name: str) -> Iterator[None]:
        """Convert an ``OSError`` other than a missing object to a one-line StorageFailure."""
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            reason = str(error).strip().splitlines()[0]
            raise StorageFailure(
                f"{self.uri}: must be reachable and writable, got {reason} at {name} (check the "
                "network, the bucket and the credentials, then resume)"
            ) from error


def check_uri(uri: str) -> None:
    """Raise TuneError unless ``uri`` names an S3 bucket and prefix and holds no credentials."""
    parts = urlsplit(uri)
    if parts.scheme != "s3" or not parts.hostname or not parts.path.strip("/"):
        raise TuneError(f"--storage: must be like {_EXAMPLE}, got {uri}")
    if "@" in parts.netloc:
        redacted = uri.replace(parts.netloc.rpartition("@")[0], "...")
        raise TuneError(
            f"--storage: must hold no credentials, since it is recorded, got {redacted} "
            "(set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY on every node, or use a role)"
        )
