"""Class probabilities of audio files from a trial's best checkpoint, fused over windows."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from genretune.data.audio import stream
from genretune.data.corpus import EXTENSIONS
from genretune.data.errors import DataError, shown
from genretune.data.windows import window_hop, window_length
from genretune.models.plugins import Plugin
from genretune.tune.errors import DamagedRecord, TuneError
from genretune.tune.reproducibility import determinism
from genretune.tune.reproducibility.environment import available_device
from genretune.tune.training.components import build_network
from genretune.tune.training.config import TrialConfig
from genretune.tune.training.forward import forward
from genretune.tune.trial.trial_dir import TrialDir


@dataclass(frozen=True)
class Prediction:
    """What a network says about a file.

    Attributes:
        windows: how many were fused.
        seconds: length of the file.
        probabilities: of each class, by name; they sum to 1.
    """

    file: str
    windows: int
    seconds: float
    probabilities: dict[str, float]

    @property
    def best(self) -> str:
        return max(self.probabilities, key=lambda name: self.probabilities[name])


class Predictor:
    """A trained network that listens to files.

    Args:
        folder: a trial's, with a best checkpoint.
        config: the trial's configuration.
        plugins: loaded plug-ins by file name.

    Raises:
        TuneError: the folder has no sound checkpoint.
        RecordMismatch: it does not say what its classes are, or its parts do not fit together.
    """

    def __init__(
        self, folder: TrialDir, config: TrialConfig, plugins: Mapping[str, Plugin]
    ) -> None:
        determinism.apply(config.determinism, threads=config.threads, precision=config.precision)
        checkpoint = folder.best_checkpoint()
        if checkpoint is None:
            raise TuneError(
                f"{folder.path}: must hold a sound checkpoints/best.safetensors, got none "
                "(train an epoch first; a stopped trial keeps none unless it is run with --keep "
                "all)"
            )
        self.classes: tuple[str, ...] = tuple((folder.result() or {}).get("classes", ()))
        if not self.classes:
            raise DamagedRecord(
                f"{folder.path / 'result.json'}: must name the classes, got none (put it back)"
            )
        self.epoch = checkpoint.epoch
        self._config = config
        self._rate = config.data.sample_rate
        self._length = window_length(config.data.window, self._rate)
        self._hop = window_hop(config.data.window, self._rate)
        feature, model = build_network(
            config, classes=len(self.classes), samples=self._length, plugins=plugins
        )
        try:
            model.load_state_dict(checkpoint.model)
            if checkpoint.feature:
                feature.load_state_dict(checkpoint.feature)
        except RuntimeError as error:
            raise DamagedRecord(
                f"{folder.path}: best.safetensors must hold the network of config.json, got "
                "another (put back the files that belong together)"
            ) from error
        device = torch.device(config.device)
        self._device = device
        self._feature: nn.Module = feature.to(device).eval()
        self._model: nn.Module = model.to(device).eval()
        if config.memory_format == "channels_last":
            self._model = self._model.to(memory_format=torch.channels_last)

    def predict(self, path: Path) -> Prediction:
        """Listen to a file, in memory that does not depend on its length.

        Raises:
            DataError: it cannot be read as audio, or the network has no answer to it.
        """
        total = torch.zeros(len(self.classes), dtype=torch.float64)
        count = 0
        heard = _Heard()
        windows = windows_of(
            heard.counting(stream(path, self._rate)), length=self._length, hop=self._hop
        )
        for batch_BT in _batches(windows, self._config.eval_batch_size):
            total += self._log_probabilities(batch_BT).sum(0)
            count += len(batch_BT)
        if not bool(torch.isfinite(total).all()):
            raise DataError(f"{shown(path)}: must give finite probabilities, got {total.tolist()}")
        fused = torch.softmax(total / count, dim=0).tolist()
        return Prediction(
            file=str(path),
            windows=count,
            seconds=heard.samples / self._rate,
            probabilities=dict(zip(self.classes, fused, strict=True)),
        )

    def _log_probabilities(self, batch_BT: NDArray[np.int16]) -> Tensor:
        waves = torch.from_numpy(batch_BT).to(torch.float32).div_(32768.0)
        with torch.no_grad():
            images = self._feature(waves.unsqueeze(1).to(self._device))
            logits = forward(self._model, images, self._config)
        return torch.log_softmax(logits.cpu().to(torch.float64), dim=1)


class _Heard:
    """Counts the samples that pass."""

    def __init__(self) -> None:
        self.samples = 0

    def counting(self, blocks: Iterable[NDArray[np.int16]]) -> Iterator[NDArray[np.int16]]:
        for block in blocks:
            self.samples += len(block)
            yield block


def windows_of(
    blocks: Iterable[NDArray[np.int16]], *, length: int, hop: int
) -> Iterator[NDArray[np.int16]]:
    """Windows [T] of a stream of samples, from 0 at every ``hop``.

    The last one, which reaches beyond the end and repeats the last sample, is there where it
    brings at least half a hop that no window before it had; a stream shorter than a window has one.
    """
    kept = np.zeros(0, dtype=np.int16)
    first = True
    for block in blocks:
        kept = np.concatenate([kept, block])
        at = 0
        while at + length <= len(kept):
            yield kept[at : at + length]
            at, first = at + hop, False
        kept = kept[at:]
    new = len(kept) if first else len(kept) - (length - hop)
    if len(kept) and (first or 2 * new >= hop):
        yield np.concatenate([kept, np.repeat(kept[-1:], length - len(kept))])


def on_this_machine(config: TrialConfig) -> TrialConfig:
    """``config``, on the CPU where it names a GPU and there is none: no bits are promised here."""
    if config.device == available_device() or config.device == "cpu":
        return config
    precision = "fp32" if config.precision == "tf32" else config.precision
    return config.model_copy(update={"device": "cpu", "precision": precision})


def audio_files(path: Path) -> list[Path]:
    """``path``, or all audio files below the folder ``path``, sorted; hidden ones do not count.

    Raises:
        TuneError: there are none.
    """
    if not path.is_dir():
        return [path]
    found = sorted(
        file
        for file in path.rglob("*")
        if file.suffix.lower() in EXTENSIONS
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    )
    if not found:
        raise TuneError(
            f"{path}: must hold audio files, got none ({', '.join(sorted(EXTENSIONS))})"
        )
    return found


def _batches(windows: Iterator[NDArray[np.int16]], size: int) -> Iterator[NDArray[np.int16]]:
    batch: list[NDArray[np.int16]] = []
    for window in windows:
        batch.append(window)
        if len(batch) == size:
            yield np.stack(batch)
            batch = []
    if batch:
        yield np.stack(batch)
