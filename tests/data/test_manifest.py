"""Corpora given by a table."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from genretune.data.corpus import list_corpus
from genretune.data.errors import DataError

ROWS = "file,label,artist,licence\n01.wav,rock,Ann,CC\nin/x.flac,pop,,CC\n"


def test_csv_gives_labels_and_attributes(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(ROWS)
    one, other = list_corpus(tmp_path / "list.csv").clips
    assert (one.name, one.label, one.attributes) == ("01", "rock", {"artist": "Ann"})
    assert (other.name, other.label, other.attributes) == ("in/x", "pop", {})
    assert one.path == tmp_path / "01.wav"


def test_parquet_is_the_same(tmp_path: Path) -> None:
    table = pa.table({"file": ["a.wav", "b.wav"], "label": ["x", "y"], "fold": [1, 2]})
    pyarrow.parquet.write_table(table, tmp_path / "list.parquet")
    clips = list_corpus(tmp_path / "list.parquet").clips
    assert [clip.attributes for clip in clips] == [{"fold": "1"}, {"fold": "2"}]


def test_a_manifest_in_the_folder_is_read_and_unlisted_files_are_noted(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("file,label,group\na/x.wav,a,g\nb/x.wav,b,g\n")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.wav").touch()
    (tmp_path / "a/more.wav").touch()
    corpus = list_corpus(tmp_path)
    assert [clip.attributes for clip in corpus.clips] == [{"group": "g"}] * 2
    assert corpus.notes == ("1 audio files are not in manifest.csv: left out",)


def test_another_table_of_that_name_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("song,stars\nx,5\n")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.wav").touch()
    assert len(list_corpus(tmp_path).clips) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,lable\nx.wav,a\n", "did you mean 'lable'"),
        ("file,label\nx.wav,a\nx.wav,b\n", "each file once"),
        ("file,label\nx.wav,\n", "a label in every row, got none in line 2"),
        ("file,label\n", "at least one row"),
        ("", "a CSV or Parquet table"),
        ("file,label\nx.wav,a,b\n", "a CSV or Parquet table"),
        ("file,label\nx.wav,a\n", "at least two classes"),
    ],
)
def test_invalid_manifests_are_rejected_in_one_line(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(DataError, match=message) as error:
        list_corpus(tmp_path / "list.csv")
    assert "\n" not in str(error.value)
