"""Settings about data that change a result: how clips are split and cut into windows.

Frozen, extra keys forbidden, every default written out: they are part of a trial's config.json.
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

from genretune.data.errors import DataError, shown
from genretune.data.name_suggestions import did_you_mean

SplitName = Literal["stratified", "grouped", "fault-filtered", "file", "contaminated"]
GroupColumn = Literal["group", "track", "artist", "album"]

REFERENCE_SEED = 123456789
"""Seed of the reference protocol's five folds."""


class SplitSpec(BaseModel):
    """Which clips train, which validate, which are held out.

    name         stratified: k folds with the classes' shares; grouped: the same, and no group
                 on two sides; fault-filtered: GTZAN's 443/197/290 (arXiv:1507.04761); file: the
                 user's; contaminated: windows of one clip on both sides, to show the damage
    folds        number of folds; fold: which of them validates, counted from 1
    seed         of the folds and of the held-out part
    test         share of the clips that no search ever sees, taken before the folds
    group        manifest column that says what must stay together
    group_pattern  regular expression on the clip's name whose first group does instead
    file         CSV or Parquet with columns file, and split or fold; read once, into
    members      the part or fold of each clip, and groups: what the file's column group said
    i_know_this_leaks  must be true for contaminated
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
    def _defaults_by_name(cls, given: object) -> object:
        """The contaminated protocol has its own number of folds and seed (3 and 12345)."""
        if not isinstance(given, dict):
            return given
        if given.get("name") == "contaminated":
            return {"folds": 3, "seed": 12345, **given}
        if given.get("name") == "fault-filtered":
            return {"folds": 1, **given}
        return given

    @field_validator("group_pattern")
    @classmethod
    def _pattern_has_a_group(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            raise ValueError(f"a regular expression, got {pattern!r} ({error})") from None
        if groups != 1:
            raise ValueError(f"exactly one (group) in the pattern, got {groups} in {pattern!r}")
        return pattern

    @model_validator(mode="after")
    def _consistent(self) -> "SplitSpec":
        folded = self.name in ("stratified", "grouped", "contaminated")
        if folded and self.folds < 2:
            raise ValueError(f"at least 2 folds for {self.name}, got {self.folds}")
        if (folded or self.name == "fault-filtered") and self.fold > self.folds:
            raise ValueError(f"fold from 1 to folds ({self.folds}), got fold {self.fold}")
        if self.name == "fault-filtered" and self.folds != 1:
            raise ValueError(f"one fold for fault-filtered, got {self.folds}")
        if self.test and self.name in ("fault-filtered", "file", "contaminated"):
            raise ValueError(f"no test with {self.name} (it has its own or none), got {self.test}")
        given = (self.file, self.members, self.groups)
        if self.name != "file" and any(item is not None for item in given):
            raise ValueError(f"file and members only with name: file, got name {self.name}")
        if self.name == "contaminated" and not self.i_know_this_leaks:
            raise ValueError(
                "i_know_this_leaks: true for contaminated, which puts windows of one clip on both "
                "sides, got false"
            )
        return self

    @property
    def leaks(self) -> bool:
        """Whether figures under this split must be marked as contaminated wherever shown."""
        return self.name == "contaminated"


class WindowSpec(BaseModel):
    """How clips are cut.

    seconds        length of a window; overlap: share of it that the next one repeats
    clip_seconds   no window starts later than this minus one window (30 s as in GTZAN: clips of
                   30.0 to 30.6 s all give 19 windows); null: the whole clip is used
    random_offset  in training, windows start up to one hop later, drawn per (epoch, window)
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    seconds: Annotated[float, Field(gt=0.0, le=3600.0)] = 3.0
    overlap: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5
    clip_seconds: Annotated[float, Field(gt=0.0)] | None = 30.0
    random_offset: bool = False


Spec = TypeVar("Spec", SplitSpec, WindowSpec)


def read_spec(kind: type[Spec], given: Mapping[str, object], where: str) -> Spec:
    """A SplitSpec or WindowSpec of a mapping. Errors: DataError naming `where`.key, one line."""
    try:
        return kind.model_validate(dict(given))
    except ValidationError as error:
        lines = [_line(kind, problem, where) for problem in error.errors()]
        raise DataError("; ".join(lines)) from None


def _line(kind: type[Spec], problem: ErrorDetails, where: str) -> str:
    loc: tuple[int | str, ...] = problem["loc"]
    value: object = problem["input"]
    rule, hint = problem["msg"].removeprefix("Value error, "), ""
    key = ".".join([where, *map(str, loc)])
    if problem["type"] == "value_error":
        return f"{key}: {rule}"
    if problem["type"] == "extra_forbidden":
        rule, value = "a known key", loc[-1]
        hint = f" ({did_you_mean(value, kind.model_fields)})"
    elif problem["type"] == "literal_error":
        names = get_args(kind.model_fields[str(loc[0])].annotation)
        rule, hint = "one of " + " ".join(names), f" ({did_you_mean(value, names)})"
    return f"{key}: {rule[:1].lower() + rule[1:]}, got {shown(repr(value))}{hint}"
