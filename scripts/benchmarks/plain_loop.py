"""The usual training loop of such a project, the counterpart in the training benchmark.

Written as the reference project's README describes it: a DataLoader decodes windows from their
files one at a time, the spectrogram is computed per batch, the network consists of torch's own
modules in the default memory format, and every step reads its loss.

Shapes: B batch, C channels, F frequency, T time, S samples.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

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


Read = Callable[[Path, int], Tensor]
"""Returns at most ``LENGTH`` samples of a file from a start, float32 [S]."""


def read_samples(path: Path, start: int) -> Tensor:
    """Decode samples of a file of any format."""
    import soundfile  # a GPU machine that has only torch reads its windows otherwise

    samples, _ = soundfile.read(path, start=start, frames=LENGTH, dtype="float32")
    return torch.from_numpy(samples)


class Windows(Dataset[tuple[Tensor, int]]):
    """Windows of audio files, each read from its file on access."""

    def __init__(self, windows: Sequence[Window], read: Read = read_samples) -> None:
        self._windows, self._read = windows, read

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path, start, label = self._windows[index]
        wave = self._read(path, start)
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


class _Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut."""

    def __init__(self, channels: int, planes: int, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(channels, planes, kernel_size=3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(planes),
            nn.ReLU(inplace=True),
            nn.Conv2d(planes, planes, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(planes),
        )
        self.shortcut = nn.Sequential()
        if stride != 1 or channels != planes:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, planes, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(planes),
            )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x_BCFT: Tensor) -> Tensor:
        out_BCFT: Tensor = self.relu(self.path(x_BCFT) + self.shortcut(x_BCFT))
        return out_BCFT


def resnet18(classes: int) -> nn.Module:
    """Return resnet18 for images of one channel, as torchvision has it."""
    layers: list[nn.Module] = [
        nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2, padding=1),
    ]
    channels = 64
    for planes, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [_Block(channels, planes, stride), _Block(planes, planes, 1)]
        channels = planes
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes))


class PlainLoop:
    """A network in training on windows of files.

    Args:
        windows: those of one epoch; shuffled anew each epoch.
        classes: number of classes.
        model: the paper's network by default.
        device: where it trains.
        workers: processes that decode; 0, torch's default, decodes between steps.
        bf16: whether the network computes in bfloat16.
        read: decodes a window.
    """

    def __init__(
        self,
        windows: Sequence[Window],
        *,
        classes: int,
        model: nn.Module | None = None,
        device: str = "cpu",
        workers: int = 0,
        bf16: bool = False,
        read: Read = read_samples,
    ) -> None:
        torch.manual_seed(0)
        dataset = Windows(windows, read)
        self._loader = DataLoader(dataset, batch_size=BATCH, shuffle=True, num_workers=workers)
        self._device, self._bf16 = device, bf16
        self._feature = AT.Spectrogram(n_fft=1024, hop_length=512, power=2).to(device)
        self._model = (model or network(classes)).to(device)
        self._loss = nn.CrossEntropyLoss()
        self._optimizer = torch.optim.Adam(self._model.parameters(), lr=1e-3, weight_decay=1e-4)

    def epoch(self) -> float:
        """Train on every window once; return the mean loss of the batches."""
        self._model.train()
        total = 0.0
        for wave_BCS, label_B in self._loader:
            self._optimizer.zero_grad()
            image_BCFT = self._feature(wave_BCS.to(self._device))
            with torch.autocast(self._device, dtype=torch.bfloat16, enabled=self._bf16):
                logits_BN = self._model(image_BCFT)
            loss = self._loss(logits_BN.float(), label_B.to(self._device))
            loss.backward()
            self._optimizer.step()
            total += loss.item()
        return total / len(self._loader)
