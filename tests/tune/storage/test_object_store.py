"""Objects in S3, against a local server of the S3 protocol."""

import pytest

from genretune.tune.errors import TuneError
from genretune.tune.storage.atomic_io import StorageFailure
from genretune.tune.storage.object_store import ObjectStore
from tests.s3_server import S3


def test_objects_are_put_read_listed_and_deleted(s3: S3) -> None:
    objects = ObjectStore(s3.uri("objects"))
    assert objects.sizes() == {} and objects.get("a/b") is None
    objects.put("a/b", b"0123456789")
    objects.put("a/b", b"0123")
    objects.put("c", b"")
    assert objects.sizes() == {"a/b": 4, "c": 0}
    assert objects.sizes("a") == {"a/b": 4}
    assert (objects.get("a/b"), objects.get("c")) == (b"0123", b"")
    with objects.open("a/b") as file:
        file.seek(2)
        assert file.read(1) == b"2"
    assert ObjectStore(s3.uri("object")).sizes() == {}, "a prefix that another one starts with"
    objects.delete("a/b")
    objects.delete("a/b")
    assert objects.sizes() == {"c": 0}


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("runs/here", "must be like s3://BUCKET/PREFIX"),
        ("s3://bucket", "must be like s3://BUCKET/PREFIX"),
        ("gs://bucket/prefix", "must be like s3://BUCKET/PREFIX"),
        ("s3://bucket/prefix?regoin=x", "regoin"),
    ],
)
def test_an_invalid_uri_is_refused(uri: str, message: str) -> None:
    with pytest.raises(TuneError, match="--storage: ") as caught:
        ObjectStore(uri)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_credentials_in_a_uri_are_refused_and_not_repeated() -> None:
    with pytest.raises(TuneError, match="must hold no credentials") as caught:
        ObjectStore("s3://someone:secret@bucket/prefix")
    assert "secret" not in str(caught.value)


def test_a_missing_bucket_is_a_storage_failure_in_one_line(s3: S3) -> None:
    objects = ObjectStore(s3.uri("objects", bucket="another"))
    with pytest.raises(StorageFailure, match="must be reachable and writable, got .*bucket") as e:
        objects.put("a", b"")
    assert "\n" not in str(e.value)
