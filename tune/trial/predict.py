"""Class probabilities of audio files from a trial's best checkpoint, fused over windows.

Shape suffixes: B windows of a batch, T samples.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from genretune.data.audio import stream
from genretune.data.corpus import EXTENSIONS
from genretune.data.errors import DataError, printable_line
from genretune.data.windows import window_hop, window_length
from genretune.models.plugins import Plugin
from genretune.tune.errors import DamagedRecord, TuneError
from genretune.tune.reproducibility import determinism
from genretune.tune.reproducibility.environment import available_device
from genretune.tune.training.components import build_network
from genretune.tune.training.config import FIRST_RULES, TrialConfig
from genretune.tune.training.forward import forward
from genretune.tune.training.metrics import fuse
from genretune.tune.trial.trial_dir import TrialDir


@dataclass(frozen=True)
class Prediction:
    """The class probabilities of one audio file.

    Attributes:
        file: path as given.
        windows: number of windows fused.
        seconds: length of the file.
        probabilities: probability of each class by name; they sum to 1.
    """

    file: str
    windows: int
    seconds: float
    probabilities: dict[str, float]

    @property
    def best(self) -> str:
        """The most probable class."""
        return max(self.probabilities, key=lambda name: self.probabilities[name])


class Predictor:
    """A trained network that classifies audio files.

    Args:
        trial_dir: folder of a trial with a best checkpoint.
        config: the trial's configuration.
        plugins: loaded plug-ins by file name.

    Raises:
        TuneError: the folder has no intact best checkpoint.
        RecordMismatch: the record names no classes, or the checkpoint does not fit ``config``.
    """

    def __init__(
        self, trial_dir: TrialDir, config: TrialConfig, plugins: Mapping[str, Plugin]
    ) -> None:
        determinism.apply(config.determinism, threads=config.threads, precision=config.precision)
        checkpoint = trial_dir.best_checkpoint()
        if checkpoint is None:
            raise TuneError(
                f"{trial_dir.path}: must hold an intact checkpoints/best.safetensors, got none "
                "(train an epoch first; stopped trials keep their checkpoints only with --keep "
                "all)"
            )
        result = trial_dir.result()
        self.classes: tuple[str, ...] = () if result is None else tuple(result["classes"])
        if not self.classes:
            raise DamagedRecord(
                f"{trial_dir.path / 'result.json'}: must name the classes, got none (restore it)"
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
                f"{trial_dir.path}: best.safetensors must hold the network of config.json, got "
                "another one (restore the files of the same trial)"
            ) from error
        device = torch.device(config.device)
        self._device = device
        self._feature: nn.Module = feature.to(device).eval()
        self._model: nn.Module = model.to(device).eval()
        if config.memory_format == "channels_last":
            self._model = self._model.to(memory_format=torch.channels_last)

    def predict(self, path: Path) -> Prediction:
        """Classify a file, streaming: of its windows only the scores are kept.

        Windows are fused as in validation, by the softmax of the mean log-probability, and to the
        same bits: a clip of the corpus gets the probabilities that its validation had.

        Raises:
            DataError: it cannot be decoded, or the network returns a value that is not finite.
        """
        counter = _SampleCounter()
        windows = stream_windows(
            counter.counted(stream(path, self._rate)), length=self._length, hop=self._hop
        )
        size = self._config.eval_batch_size
        scores = torch.cat([self._log_probabilities(one, size) for one in _batches(windows, size)])
        count = len(scores)
        alone = torch.zeros(count, dtype=torch.int64)
        (fused,) = fuse(scores, alone, torch.ones(count, dtype=torch.float64), 1)
        if not bool(torch.isfinite(fused).all()):
            raise DataError(
                f"{printable_line(path)}: must give finite probabilities, got {fused.tolist()}"
            )
        return Prediction(
            file=str(path),
            windows=count,
            seconds=counter.samples / self._rate,
            probabilities=dict(zip(self.classes, torch.softmax(fused, 0).tolist(), strict=True)),
        )

    def _log_probabilities(self, batch_BT: NDArray[np.int16], size: int) -> Tensor:
        """Return log-probabilities [B, classes], in float64 on the CPU.

        Args:
            size: the batch is filled up to it with its last window, as in validation.
        """
        count = len(batch_BT)
        if self._config.rules != FIRST_RULES:
            batch_BT = np.pad(batch_BT, ((0, size - count), (0, 0)), mode="edge")
        waves = torch.from_numpy(batch_BT).to(torch.float32).div_(32768.0)
        with torch.no_grad():
            images = self._feature(waves.unsqueeze(1).to(self._device))
            logits = forward(self._model, images, self._config)[:count]
        return torch.log_softmax(logits.cpu().to(torch.float64), dim=1)


class _SampleCounter:
    """The number of samples in a stream of blocks, counted while they are consumed."""

    def __init__(self) -> None:
        self.samples = 0

    def counted(self, blocks: Iterable[NDArray[np.int16]]) -> Iterator[NDArray[np.int16]]:
        for block in blocks:
            self.samples += len(block)
            yield block


def stream_windows(
    blocks: Iterable[NDArray[np.int16]], *, length: int, hop: int
) -> Iterator[NDArray[np.int16]]:
    """Yield windows [T] of a stream of samples, starting at 0, ``hop``, 2 ``hop`` and so on.

    A last window that reaches beyond the end is padded with the last sample. It is left out if
    fewer than half a hop of its samples are new; a stream shorter than a window has one window.

    Args:
        blocks: consecutive samples, in blocks of any length.
        length: samples of a window.
        hop: samples between the starts of two windows, at most ``length``.
    """
    pending = np.zeros(0, dtype=np.int16)  # from the start of the next window
    first = True
    for block in blocks:
        pending = np.concatenate([pending, block])
        start = 0
        while start + length <= len(pending):
            yield pending[start : start + length]
            start, first = start + hop, False
        pending = pending[start:]
    # Consecutive windows share length - hop samples, which the last full window has covered.
    new = len(pending) if first else len(pending) - (length - hop)
    if len(pending) and (first or 2 * new >= hop):
        yield np.concatenate([pending, np.repeat(pending[-1:], length - len(pending))])


def on_available_device(config: TrialConfig) -> TrialConfig:
    """Return ``config``, moved to the CPU if it names a GPU and this machine has none.

    The CPU has no TF32, which becomes fp32, and gets no larger batches than by default. Predictions
    are not promised to the bit.
    """
    if config.device == available_device() or config.device == "cpu":
        return config
    precision = "fp32" if config.precision == "tf32" else config.precision
    size = min(config.eval_batch_size, TrialConfig.model_fields["eval_batch_size"].default)
    return config.model_copy(
        update={"device": "cpu", "precision": precision, "eval_batch_size": size}
    )


def audio_files(path: Path) -> list[Path]:
    """Return ``path`` itself, or the audio files below it, sorted, if it is a folder.

    Hidden files and folders are skipped.

    Raises:
        TuneError: the folder contains no audio file.
    """
    if not path.is_dir():
        return [path]
    files = sorted(
        file
        for file in path.rglob("*")
        if file.suffix.lower() in EXTENSIONS
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    )
    if not files:
        raise TuneError(
            f"{path}: must hold audio files, got none ({', '.join(sorted(EXTENSIONS))})"
        )
    return files


def _batches(windows: Iterator[NDArray[np.int16]], size: int) -> Iterator[NDArray[np.int16]]:
    batch: list[NDArray[np.int16]] = []
    for window in windows:
        batch.append(window)
        if len(batch) == size:
            yield np.stack(batch)
            batch = []
    if batch:
        yield np.stack(batch)
