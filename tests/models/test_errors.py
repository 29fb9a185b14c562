import pickle

from genretune.models.errors import ModelError


def test_every_problem_is_a_line() -> None:
    error = ModelError(["a: b", "c: d"])
    assert str(error) == "a: b\nc: d"
    assert error.problems == ("a: b", "c: d")
    assert error.exit_code == 2


def test_survives_the_way_back_from_a_worker() -> None:
    error = pickle.loads(pickle.dumps(ModelError("a: b")))
    assert error.problems == ("a: b",)
