import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import librosa
import pytest
import torch
from torch import Tensor

from genretune.models.build import FEATURES, build_feature, feature_shape
from genretune.models.errors import ModelError
from genretune.models.features import Feature
from genretune.models.spectrum import Matrix

RATE = 22050
CEPSTRAL = {"mfcc": ("n_mfcc", "n_mels"), "lfcc": ("n_lfcc", "n_filter")}
CEPSTRAL["imfcc"] = ("n_imfcc", "n_mels")


def build(name: str, **arguments: object) -> Feature:
    feature = build_feature({"name": name, **arguments}, sample_rate=RATE)
    assert isinstance(feature, Feature)
    return feature


def tone(hertz: float, seconds: float = 1.0) -> Tensor:
    n = torch.arange(round(seconds * RATE), dtype=torch.float64)
    return (0.5 * torch.sin(2 * math.pi * hertz * n / RATE)).float()[None, None]


def test_values_match_the_reference(reference: Any) -> None:
    t = torch.arange(66150, dtype=torch.float64) / RATE
    w = 0.4 * torch.sin(2 * math.pi * 440 * t) + 0.05 * torch.cos(2 * math.pi * 7000 * t)
    w = (w + 0.2 * torch.sin(2 * math.pi * (1000 + 300 * t) * t)).float()
    x = torch.stack([w, 0.5 * w])[:, None]
    for case in reference["features"]:
        y = build(**case["config"])(x)
        assert list(y.shape) == case["shape"]
        for item, bin_, frame, value in case["at"]:
            assert float(y[item, 0, bin_, frame]) == pytest.approx(value, rel=1e-4)
        assert float(y.double().mean()) == pytest.approx(case["mean"], rel=1e-4, abs=1e-7)
        assert float(y.double().std()) == pytest.approx(case["std"], rel=1e-4)
        assert float(y.min()) == pytest.approx(case["min"], rel=1e-4, abs=1e-7)
        assert float(y.max()) == pytest.approx(case["max"], rel=1e-4)


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("seconds", [0.5, 1.3, 3.0, 10.0, 30.0])
def test_shape_matches_the_output(name: str, seconds: float) -> None:
    feature, samples = build(name), round(seconds * RATE)
    shape = feature_shape(feature, channels=2, samples=samples)
    assert tuple(feature(torch.zeros(1, 2, samples)).shape[1:]) == shape
    assert shape[2] == 1 + samples // 512


@pytest.mark.parametrize("name", ["rawspec", "powerspec", "logspec"])
@pytest.mark.parametrize("hertz", [215.3, 1033.6, 9000.0])
def test_a_tone_peaks_in_its_bin(name: str, hertz: float) -> None:
    image = build(name)(tone(hertz))[0, 0]
    assert int(image.mean(1).argmax()) == round(hertz / (RATE / 1024))


@pytest.mark.parametrize("hertz", [300.0, 1000.0, 6000.0])
def test_a_tone_peaks_in_its_mel_band(hertz: float) -> None:
    image = build("melspec", n_mels=64)(tone(hertz))[0, 0]
    centres = librosa.mel_frequencies(n_mels=66, fmin=0.0, fmax=RATE / 2)[1:-1]
    assert int(image.mean(1).argmax()) == int(abs(centres - hertz).argmin())


@pytest.mark.parametrize("name", CEPSTRAL)
@pytest.mark.parametrize("hertz", [1000.0, 5000.0, 9000.0])
def test_a_tone_peaks_in_its_filter_after_inverting_the_dct(name: str, hertz: float) -> None:
    coefficients, filters = CEPSTRAL[name]
    feature = build(name, **{coefficients: 40, filters: 40})
    bank, _, transform = feature.stages
    assert isinstance(bank, Matrix) and isinstance(transform, Matrix)
    image = feature(tone(hertz))[0, 0]
    # A square orthonormal transform is undone by its transpose.
    peak = int((transform.matrix.T @ image).mean(1).argmax())
    assert peak == int(bank.matrix[:, round(hertz / (RATE / 1024))].argmax())


def test_mfcc_matches_librosa(noise: Callable[..., Tensor]) -> None:
    x = noise(1, 1, RATE) * 0.1
    ours = build("mfcc", n_mfcc=20, n_mels=64, log="db", eps=1e-10)(x)[0, 0]
    mel = librosa.feature.melspectrogram(
        y=x[0, 0].numpy(), sr=RATE, n_fft=1024, hop_length=512, n_mels=64, norm=None,
        pad_mode="reflect",
    )  # fmt: skip
    theirs = librosa.feature.mfcc(S=librosa.power_to_db(mel, top_db=None), n_mfcc=20)
    torch.testing.assert_close(ours, torch.from_numpy(theirs), rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("normalize", [None, "window", "statistics"])
def test_silence_gives_finite_values(
    name: str, normalize: str | None, noise: Callable[..., Tensor]
) -> None:
    feature = build(name, normalize=normalize)
    assert feature.needs_statistics == (normalize == "statistics")
    feature.fit([noise(2, 1, 11025)])
    for silence in (torch.zeros(2, 1, 11025), torch.full((2, 1, 11025), 1e-6)):
        assert bool(torch.isfinite(feature(silence)).all())


@pytest.mark.parametrize("name", FEATURES)
def test_statistics_of_silence_give_finite_values(name: str) -> None:
    feature = build(name, normalize="statistics")
    feature.fit([torch.zeros(2, 1, 11025)])
    assert bool(torch.isfinite(feature(torch.zeros(2, 1, 11025))).all())


@pytest.mark.parametrize("name", FEATURES)
def test_copies_are_bit_identical(name: str, noise: Callable[..., Tensor]) -> None:
    feature = build(name, normalize="statistics")
    x = noise(2, 2, 8000)
    feature.fit([x])
    expected = feature(x)
    for copied in (pickle.loads(pickle.dumps(feature)), copy.deepcopy(feature)):
        assert torch.equal(copied(x), expected)
    fresh = build(name, normalize="statistics")
    fresh.load_state_dict(feature.state_dict())
    assert torch.equal(fresh(x), expected)


@pytest.mark.parametrize("name", FEATURES)
def test_all_tensors_move_with_the_module(name: str) -> None:
    feature = build(name, normalize="statistics").to("meta")
    tensors = [*feature.parameters(), *feature.buffers()]
    assert tensors and all(t.device.type == "meta" for t in tensors)
    own = [v for m in feature.modules() for v in vars(m).values() if isinstance(v, Tensor)]
    assert own == []


def test_features_ignore_autocast(noise: Callable[..., Tensor]) -> None:
    feature, x = build("melspec"), noise(1, 1, 8000)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = feature(x)
    assert torch.equal(rough, feature(x))


def test_items_and_channels_are_independent(noise: Callable[..., Tensor]) -> None:
    feature, x = build("mfcc"), noise(2, 2, 8000)
    together = feature(x)
    for item in range(2):
        for channel in range(2):
            alone = feature(x[item, channel][None, None])[0, 0]
            torch.testing.assert_close(together[item, channel], alone, rtol=1e-5, atol=1e-4)


def test_invalid_combinations() -> None:
    for arguments, words in (
        ({"name": "mfcc", "n_mfcc": 41, "n_mels": 40}, "n_mfcc: must be at most n_mels"),
        ({"name": "lfcc", "n_lfcc": 41, "n_filter": 40}, "n_lfcc: must be at most n_filter"),
        ({"name": "melspec", "f_max": 20000}, "f_max: must be at most half"),
        ({"name": "melspec", "n_fft": 256}, "n_mels: every filter must contain a bin"),
        ({"name": "powerspec", "win_length": 2000}, "win_length: must be at most n_fft"),
    ):
        with pytest.raises(ModelError, match=words):
            build(**arguments)  # type: ignore[arg-type]
