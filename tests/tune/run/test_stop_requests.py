"""Requests to a driver: files that are read in order, and that a damaged file does not block."""

import json

from genretune.tune.run.stop_requests import discard_drain_requests, request_stop, stop_requests
from genretune.tune.storage.run_dir import RunDir


def test_requests_are_pending_in_order_until_their_file_is_removed(run: RunDir) -> None:
    assert list(stop_requests(run)) == []
    first, second = request_stop(run, 17), request_stop(run, None)
    assert list(stop_requests(run)) == [(first, 17), (second, None)]
    first.unlink()
    assert list(stop_requests(run)) == [(second, None)]


def test_only_drain_requests_are_discarded(run: RunDir) -> None:
    stop = request_stop(run, 17)
    request_stop(run, None)
    discard_drain_requests(run)
    assert list(stop_requests(run)) == [(stop, 17)]


def test_files_that_are_not_requests_are_skipped(run: RunDir) -> None:
    request = request_stop(run, 3)
    for number, content in enumerate((True, "3", 1.5)):
        (request.parent / f"{number}.json").write_text(json.dumps({"stop": content}))
    (request.parent / "8.json").write_text("{")
    (request.parent / "9.json").write_text("{}")
    assert list(stop_requests(run)) == [(request, 3)]
