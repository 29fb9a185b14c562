"""Suggestions for unknown names."""

from genretune.data.name_suggestions import closest_name, did_you_mean


def test_the_closest_name_is_suggested() -> None:
    assert closest_name("reductoin", ["dropout", "reduction"]) == "reduction"
    assert closest_name("ResNet-18", ["resnet18", "cnn"]) == "resnet18"
    assert closest_name("xyz", ["reduction"]) is None
    assert closest_name(5, ["reduction"]) is None


def test_a_common_beginning_wins_over_similarity() -> None:
    assert closest_name("val", ["vat", "val_clip_accuracy"]) == "val_clip_accuracy"
    assert closest_name("va", ["vat", "val_clip_accuracy"]) == "vat", "two letters are no beginning"


def test_known_names_are_listed_if_none_is_close() -> None:
    assert did_you_mean("stratifid", ["grouped", "stratified"]) == "did you mean 'stratified'?"
    assert did_you_mean("zzz", ["one", "two"]) == "known: one, two"
    assert did_you_mean("zzz", [f"name{i}" for i in range(20)]).endswith("name11, ...")


def test_control_characters_are_escaped() -> None:
    assert "\x1b" not in did_you_mean("evil", ["evil\x1b[2J"])
