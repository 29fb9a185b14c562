"""Settings about data that change a result: how clips are split and cut into windows.

The models are part of a trial's ``config.json``: frozen, extra keys forbidden, defaults written
out in full.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from genretune.data.errors import DataError, printable_line
from genretune.data.name_suggestions import did_you_mean

SplitName = Literal["stratified", "grouped", "fault-filtered", "file", "contaminated"]
GroupColumn = Literal["group", "track", "artist", "album"]

REFERENCE_SEED = 123456789
"""Seed of the reference protocol's five folds."""


class SplitSpec(BaseModel):
    """Assignment of clips to training, validation and test.

    Attributes:
        name: ``stratified``: k folds that keep the class proportions; ``grouped``: the same, with
            no group in two subsets; ``fault-filtered``: GTZAN's 443/197/290 clips
            (arXiv:1507.04761); ``file``: the user's own; ``contaminated``: windows of one clip in
            both training and validation, to show how much that inflates a score.
        folds: number of folds.
        fold: the fold that validates, counted from 1.
        seed: of the folds and of the test subset.
        test: share of the clips that no search ever sees, set aside before the folds are made.
        group: manifest column whose values must not be split.
        group_pattern: regular expression on the clip's name whose capturing group replaces
            ``group``.
        file: CSV or Parquet with the columns file, and split or fold; read once, into ``members``.
        members: the subset or fold of each clip.
        groups: the file's column group.
        i_know_this_leaks: must be true for ``contaminated``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: SplitName = "stratified"
    folds: Annotated[int, Field(ge=1, le=1000)] = 5
    fold: Annotated[int, Field(ge=1)] = 1
    seed: Annotated[int, Field(ge=0, lt=2**32)] = REFERENCE_SEED
    test: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    group: GroupColumn = "group"
    group_pattern: str | None = None
    file: str | None = None
    members: dict[str, str] | None = None
    groups: dict[str, str] | None = None
    i_know_this_leaks: bool = False

    @model_validator(mode="before")
    @classmethod
    def _defaults_by_name(cls, values: object) -> object:
        """Apply the defaults of single splits: contaminated has 3 folds and seed 12345."""
        if not isinstance(values, dict):
            return values
        if values.get("name") == "contaminated":
            return {"folds": 3, "seed": 12345, **values}
        if values.get("name") == "fault-filtered":
            return {"folds": 1, **values}
        return values

    @field_validator("group_pattern")
    @classmethod
    def _pattern_has_a_group(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            raise ValueError(f"must be a regular expression, got {pattern!r} ({error})") from None
        if groups != 1:
            raise ValueError(f"must have exactly one (group), got {groups} in {pattern!r}")
        return pattern

    @model_validator(mode="after")
    def _consistent(self) -> "SplitSpec":
        folded = self.name in ("stratified", "grouped", "contaminated")
        if folded and self.folds < 2:
            raise ValueError(f"folds must be at least 2 for {self.name}, got {self.folds}")
        if (folded or self.name == "fault-filtered") and self.fold > self.folds:
            raise ValueError(f"fold must be from 1 to folds ({self.folds}), got {self.fold}")
        if self.name == "fault-filtered" and self.folds != 1:
            raise ValueError(f"folds must be 1 for fault-filtered, got {self.folds}")
        if self.test and self.name in ("fault-filtered", "file", "contaminated"):
            raise ValueError(
                f"test must be 0 for {self.name}, got {self.test} (it has its own or none)"
            )
        from_file = (self.file, self.members, self.groups)
        if self.name != "file" and any(item is not None for item in from_file):
            raise ValueError(f"name must be file where file or members are given, got {self.name}")
        if self.name == "contaminated" and not self.i_know_this_leaks:
            raise ValueError(
                "i_know_this_leaks must be true for contaminated, which puts windows of one clip "
                "in both training and validation, got false"
            )
        return self

    @property
    def leaks(self) -> bool:
        """Whether scores under this split must be marked as contaminated wherever they appear."""
        return self.name == "contaminated"


class WindowSpec(BaseModel):
    """Cutting of clips into windows.

    Attributes:
        seconds: length of a window.
        overlap: share of a window that the next one repeats.
        clip_seconds: no window starts later than this minus one window (30 s as in GTZAN: clips
            of 30.0 to 30.6 s all give 19 windows); null: the whole clip is used.
        random_offset: in training, windows start up to one hop later, drawn per (epoch, window).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    seconds: Annotated[float, Field(gt=0.0, le=3600.0)] = 3.0
    overlap: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5
    clip_seconds: Annotated[float, Field(gt=0.0)] | None = 30.0
    random_offset: bool = False


Spec = TypeVar("Spec", SplitSpec, WindowSpec)


def read_spec(kind: type[Spec], values: Mapping[str, object], where: str) -> Spec:
    """Validate a mapping as a SplitSpec or WindowSpec.

    Raises:
        DataError: a value is invalid; one line that names every ``where``.key at fault.
    """
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        lines = [_line(kind, problem, where) for problem in error.errors()]
        raise DataError("; ".join(lines)) from None


def _line(kind: type[Spec], problem: ErrorDetails, where: str) -> str:
    loc: tuple[int | str, ...] = problem["loc"]
    value: object = problem["input"]
    rule, hint = problem["msg"].removeprefix("Value error, "), ""
    rule = rule.replace("Input should be", "must be", 1)
    key = ".".join([where, *map(str, loc)])
    if problem["type"] == "value_error":
        return f"{key}: {rule}"
    if problem["type"] == "extra_forbidden":
        rule, value = "must be a known key", loc[-1]
        hint = f" ({did_you_mean(value, kind.model_fields)})"
    elif problem["type"] == "literal_error":
        names = get_args(kind.model_fields[str(loc[0])].annotation)
        rule, hint = "must be one of " + " ".join(names), f" ({did_you_mean(value, names)})"
    return f"{key}: {rule[:1].lower() + rule[1:]}, got {printable_line(repr(value))}{hint}"
