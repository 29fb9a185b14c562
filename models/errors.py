"""What can go wrong with models, features and augmentations, as the user sees it.

ModelError                exit 2: a name, an argument or a plug-in that cannot be used

Each problem is one line: ``where: rule, got value (what to do)``.
"""

from collections.abc import Sequence
from typing import ClassVar


class ModelError(ValueError):
    """One or more problems with named components; ``problems`` holds a line for each."""

    exit_code: ClassVar[int] = 2

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: tuple[str, ...] = (
            (problems,) if isinstance(problems, str) else tuple(problems)
        )
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> tuple[type["ModelError"], tuple[tuple[str, ...]]]:
        return type(self), (self.problems,)
