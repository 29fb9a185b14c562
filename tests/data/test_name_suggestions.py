"""One rule for every name that is not known."""

from genretune.data.name_suggestions import closest_name, did_you_mean


def test_the_closest_name_is_suggested() -> None:
    assert closest_name("reductoin", ["dropout", "reduction"]) == "reduction"
    assert closest_name("ResNet-18", ["resnet18", "cnn"]) == "resnet18"
    assert closest_name("xyz", ["reduction"]) is None
    assert closest_name(5, ["reduction"]) is None


def test_a_beginning_counts_for_more_than_likeness() -> None:
    assert closest_name("val", ["vat", "val_clip_accuracy"]) == "val_clip_accuracy"
    assert closest_name("va", ["vat", "val_clip_accuracy"]) == "vat", "two letters are no beginning"


def test_what_is_known_is_listed_where_nothing_is_close() -> None:
    assert did_you_mean("stratifid", ["grouped", "stratified"]) == "did you mean 'stratified'?"
    assert did_you_mean("zzz", ["one", "two"]) == "known: one, two"
    assert did_you_mean("zzz", [f"name{i}" for i in range(20)]).endswith("name11, ...")


def test_names_from_files_cannot_control_a_terminal() -> None:
    assert "\x1b" not in did_you_mean("evil", ["evil\x1b[2J"])
