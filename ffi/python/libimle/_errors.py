"""The one exception of the package."""

from __future__ import annotations


class Error(ValueError):
    """A bad argument. Nothing has been written, and no result is returned.

    Attributes:
        argument: the name of the argument, or "" if no single one is to blame.
        reason: what is wrong with it.
        row: the place of the first bad row among the leading dimensions, such as (3,), or () if no row is to blame.
    """

    def __init__(self, argument: str, reason: str, row: tuple[int, ...] = ()) -> None:
        super().__init__(argument, reason, row)
        self.argument = argument
        self.reason = reason
        self.row = row

    def __str__(self) -> str:
        return f"{self.argument} {self.reason}" if self.argument else self.reason
