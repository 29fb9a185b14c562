"""The usual training loop of such a project, the counterpart in the training benchmark.

Written as the reference project's README describes it: a DataLoader decodes windows from their
files one at a time, the spectrogram is computed per batch, the network consists of torch's own
modules in the default memory format, and every step reads its loss.

Shapes: B batch, C channels, F frequency, T time, S samples.
"""

from collections.abc import Sequence
from pathlib import Path

import soundfile
import torch
import torchaudio.transforms as AT
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

RATE = 22050
LENGTH = 3 * RATE
FILTERS = (32, 64, 128, 256, 128)
BATCH = 64

Window = tuple[Path, int, int]
"""File, start in samples, class."""


class Windows(Dataset[tuple[Tensor, int]]):
    """Windows of audio files, each read from its file on access."""

    def __init__(self, windows: Sequence[Window]) -> None:
        self._windows = windows

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path, start, label = self._windows[index]
        samples, _ = soundfile.read(path, start=start, frames=LENGTH, dtype="float32")
        wave = torch.from_numpy(samples)
        if len(wave) < LENGTH:
            wave = torch.cat([wave, wave[-1:].expand(LENGTH - len(wave))])
        return wave[None], label


class SqueezeExcite(nn.Module):
    """A squeeze-and-excitation block: scales each channel by a gate computed from its mean."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channels, channels // reduction, bias=False),
            nn.ReLU(),
            nn.Linear(channels // reduction, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x_BCFT: Tensor) -> Tensor:
        scale_BC = self.fc(self.pool(x_BCFT).flatten(1))
        scaled_BCFT: Tensor = x_BCFT * scale_BC[:, :, None, None]
        return scaled_BCFT


def network(classes: int, *, reduction: int = 32) -> nn.Module:
    """Return the paper's network for spectrograms of 513 x 130."""
    layers: list[nn.Module] = []
    channels = 1
    for filters in FILTERS:
        layers += [
            nn.Conv2d(channels, filters, kernel_size=3, padding=1),
            nn.MaxPool2d(2),
            nn.Dropout(0.25),
            SqueezeExcite(filters, reduction),
            nn.ReLU(),
        ]
        channels = filters
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 16 * 4, classes, bias=False))


class PlainLoop:
    """A network in training on windows of files.

    Args:
        windows: those of one epoch; shuffled anew each epoch.
        classes: number of classes.
    """

    def __init__(self, windows: Sequence[Window], *, classes: int) -> None:
        torch.manual_seed(0)
        self._loader = DataLoader(Windows(windows), batch_size=BATCH, shuffle=True)
        self._feature = AT.Spectrogram(n_fft=1024, hop_length=512, power=2)
        self._model = network(classes)
        self._loss = nn.CrossEntropyLoss()
        self._optimizer = torch.optim.Adam(self._model.parameters(), lr=1e-3, weight_decay=1e-4)

    def epoch(self) -> float:
        """Train on every window once; return the mean loss of the batches."""
        self._model.train()
        total = 0.0
        for wave_BCS, label_B in self._loader:
            self._optimizer.zero_grad()
            loss = self._loss(self._model(self._feature(wave_BCS)), label_B)
            loss.backward()
            self._optimizer.step()
            total += loss.item()
        return total / len(self._loader)
