"""Every injected fault is found under its name and in its file, and nothing else is."""

import json
from pathlib import Path

import pytest

from genretune.data.corpus import list_corpus
from genretune.data.errors import DataError
from genretune.data.scan import scan_corpus
from genretune.data.synthetic.inject_faults import COPIES, FAULTS, parse_fault_counts
from genretune.data.synthetic.synth import write_corpus

SCAN_NAMES = {"not-audio": "not audio", "wrong-length": "wrong length", "nan": "NaN"}


def write_faulty(root: Path, counts: dict[str, int]) -> list[dict[str, str]]:
    write_corpus(root, clips=6, seconds=4.0, faults=counts)
    facts: list[dict[str, str]] = json.loads((root / "planted.json").read_text())
    return facts


def test_every_fault_is_found_and_named(tmp_path: Path) -> None:
    facts = write_faulty(tmp_path / "x", dict.fromkeys(FAULTS, 2))
    report = scan_corpus(tmp_path / "x", cache=tmp_path / "cache")
    wanted = sorted((f["file"], SCAN_NAMES.get(f["kind"], f["kind"])) for f in facts)
    assert [(found.file, found.fault) for found in report.faults] == wanted
    assert all(found.detail for found in report.faults)
    assert report.duplicates == ()


def test_every_copy_is_found_with_its_original(tmp_path: Path) -> None:
    facts = write_faulty(tmp_path / "x", dict.fromkeys(COPIES, 3))
    report = scan_corpus(tmp_path / "x", cache=tmp_path / "cache")
    wanted = sorted(
        (f["kind"].split("-")[0], "across" in f["kind"], *sorted((f["file"], f["original"])))
        for f in facts
    )
    found = sorted((d["kind"], d["across_classes"], *d["files"]) for d in report.duplicates)
    assert found == wanted
    assert report.faults == ()


def test_groups_are_written_to_a_manifest(tmp_path: Path) -> None:
    write_corpus(tmp_path / "x", clips=4, seconds=0.1, faults={"groups": 1})
    clips = list_corpus(tmp_path / "x").clips
    assert clips[1].attributes == {"group": "blues-0000", "artist": "blues-artist-0000"}
    assert clips[3].attributes["group"] == "blues-0001"


def test_injection_gives_the_same_bytes_every_time(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_corpus(tmp_path / name, clips=4, seconds=0.5, faults=parse_fault_counts(["all"]))
    files = [p for p in sorted((tmp_path / "one").rglob("*")) if p.is_file()]
    for file in files:
        other = tmp_path / "two" / file.relative_to(tmp_path / "one")
        assert file.read_bytes() == other.read_bytes()


def test_counts_are_parsed() -> None:
    assert parse_fault_counts(["silent=2,near", "groups"]) == {"silent": 2, "near": 1, "groups": 1}
    assert set(parse_fault_counts(["all"])) == {*FAULTS, *COPIES, "groups"}


@pytest.mark.parametrize(
    ("text", "message"),
    [("silnt", "did you mean 'silent'"), ("near=0", "N from 1"), ("near=x", "N from 1")],
)
def test_invalid_counts(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_fault_counts([text])


def test_more_faults_than_clips_to_replace(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at most 10"):
        write_corpus(tmp_path / "x", clips=2, seconds=0.1, faults={"silent": 11})
