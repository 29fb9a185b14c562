"""Configurations that cover a space."""

from genretune.tune.space.load import space_from_text
from genretune.tune.space.probe import probe_configurations
from tests.spaces import SPACE_WITH_A_CHOICE


def test_probes_cover_every_value_and_both_ends_of_ranges() -> None:
    probes = probe_configurations(space_from_text(SPACE_WITH_A_CHOICE, "tiny.yaml", []))
    assert len(probes) == 4
    assert [probe["batch_size"] for probe in probes] == [8, 16, 32, 64]
    rates = [probe["optimizer.lr"] for probe in probes]
    assert rates[:2] == [1.0, 2.0]
    assert isinstance(rates[2], float) and 2.9999 < rates[2] <= 3.0
    assert [probe.get("feature.n_mels") for probe in probes[:3]] == [None, 64, 96]
