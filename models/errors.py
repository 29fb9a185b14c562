"""Errors of models, features and augmentations that are reported to the user.

    ModelError             exit 2: invalid name, argument or plug-in

Each problem is one line: ``where: rule, got value (what to do)``.
"""

from collections.abc import Sequence
from typing import ClassVar


class ModelError(ValueError):
    """One or more problems with components.

    Attributes:
        problems: one line per problem.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: tuple[str, ...] = (
            (problems,) if isinstance(problems, str) else tuple(problems)
        )
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> tuple[type["ModelError"], tuple[tuple[str, ...]]]:
        return type(self), (self.problems,)
