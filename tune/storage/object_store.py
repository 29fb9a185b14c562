"""Objects below an S3 URI: put whole, read, listed, deleted. Imports neither Ray nor torch.

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
    """What lies below ``s3://BUCKET/PREFIX``; names are relative to it, with slashes.

    Raises:
        TuneError: this is no such URI.
        StorageFailure: (all methods) the store cannot be reached, or refuses.
    """

    def __init__(self, uri: str) -> None:
        check_uri(uri)
        self.uri = uri
        from pyarrow import fs

        with self._reaching(uri):
            try:
                system, root = fs.FileSystem.from_uri(uri)
            except ValueError as error:  # pyarrow's word for parameters that it does not know
                raise TuneError(
                    f"--storage: must be like {_EXAMPLE}, got {uri} ({error})"
                ) from error
        self._system: Any = system
        self._root: str = root

    def put(self, name: str, content: bytes) -> None:
        """Write an object, whole or not at all."""
        with self._reaching(name), self._system.open_output_stream(self._path(name)) as stream:
            stream.write(content)

    def get(self, name: str) -> bytes | None:
        """The content of an object; None where there is none."""
        try:
            with self.opened(name) as file:
                return file.read()
        except FileNotFoundError:
            return None

    @contextmanager
    def opened(self, name: str) -> Iterator[IO[bytes]]:
        """An object to read parts of.

        Raises:
            FileNotFoundError: there is none.
        """
        with self._reaching(name), self._system.open_input_file(self._path(name)) as file:
            yield cast(IO[bytes], file)

    def sizes(self, folder: str = "") -> dict[str, int]:
        """All objects below ``folder`` by name, with their bytes."""
        from pyarrow import fs

        below = self._path(folder) if folder else self._root
        selector = fs.FileSelector(below, recursive=True, allow_not_found=True)
        with self._reaching(folder):
            found = self._system.get_file_info(selector)
        start = len(self._root) + 1
        return {i.path[start:]: i.size for i in found if i.type == fs.FileType.File}

    def delete(self, name: str) -> None:
        """Remove an object; none is no error."""
        try:
            with self._reaching(name):
                self._system.delete_file(self._path(name))
        except FileNotFoundError:
            pass

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _reaching(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            told = str(error).strip().splitlines()[0]
            raise StorageFailure(
                f"{self.uri}: must be reachable and writable, got {told} at {name} (see to the "
                "network, the bucket and the credentials, then resume)"
            ) from error


def check_uri(uri: str) -> None:
    """Raise TuneError unless ``uri`` names a bucket and a prefix in S3, without a secret in it."""
    parts = urlsplit(uri)
    if parts.scheme != "s3" or not parts.hostname or not parts.path.strip("/"):
        raise TuneError(f"--storage: must be like {_EXAMPLE}, got {uri}")
    if "@" in parts.netloc:
        shown = uri.replace(parts.netloc.rpartition("@")[0], "...")
        raise TuneError(
            f"--storage: must hold no credentials, since it is recorded, got {shown} "
            "(set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY on every node, or use a role)"
        )
