"""Standard error is discarded only where it should be."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from genretune.data.suppress_stderr import suppress_stderr, suppress_stderr_while


def test_standard_error_is_restored(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), suppress_stderr():
        os.write(2, b"chatter")
        raise KeyError
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


def test_only_producing_an_item_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    def chatty() -> Iterator[int]:
        for item in range(3):
            os.write(2, b"chatter")
            yield item

    for item in suppress_stderr_while(chatty()):
        os.write(2, str(item).encode())
    assert capfd.readouterr().err == "012"


def test_a_closed_standard_error_is_tolerated() -> None:
    code = (
        "import os\nfrom genretune.data.suppress_stderr import suppress_stderr\n"
        "os.close(2)\nwith suppress_stderr(): print(1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"1\n")
