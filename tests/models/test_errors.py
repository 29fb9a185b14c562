import pickle

from genretune.models.errors import ModelError


def test_one_line_per_problem() -> None:
    error = ModelError(["a: b", "c: d"])
    assert str(error) == "a: b\nc: d"
    assert error.problems == ("a: b", "c: d")
    assert error.exit_code == 2


def test_error_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(ModelError("a: b")))
    assert error.problems == ("a: b",)
