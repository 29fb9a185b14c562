"""A local server of the S3 protocol for tests: moto, in a separate process."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pyarrow import fs

BUCKET = "genretune"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "not-to-be-recorded"}
_REGION = "us-east-1"
_SERVER = """\
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(*server.get_host_and_port(), flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class S3:
    """The running server.

    Attributes:
        process: tests suspend it by signals.
        endpoint: HOST:PORT.
    """

    process: subprocess.Popen[str]
    endpoint: str

    def uri(self, prefix: str, bucket: str = BUCKET) -> str:
        """Return the URI of a prefix as a user would write it."""
        return (
            f"s3://{bucket}/{prefix}?scheme=http&region={_REGION}&endpoint_override={self.endpoint}"
        )

    def make_bucket(self) -> None:
        """Create the test bucket."""
        system = fs.S3FileSystem(
            scheme="http",
            region=_REGION,
            endpoint_override=self.endpoint,
            allow_bucket_creation=True,
        )
        system.create_dir(BUCKET)


@contextmanager
def s3_server() -> Iterator[S3]:
    """Run a server for a ``with`` block; its objects are lost afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        host, port = process.stdout.readline().split()
        yield S3(process, f"{host}:{port}")
    finally:
        process.stdin.close()  # the server ends at the end of its input
        process.stdout.close()
        process.wait(timeout=30)
