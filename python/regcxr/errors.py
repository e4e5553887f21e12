"""Exceptions. Each has a message of one sentence and, where something can be tried, a hint."""

from __future__ import annotations


class Error(Exception):
    """Something could not be done.

    Attributes:
        message: One sentence that names the thing and the file, row or id.
        hint: What to try, with commands that can be typed; None if there is nothing to try.
    """

    message: str
    hint: str | None

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\nhint: {self.hint}"


class UsageError(Error, ValueError):
    """The arguments are wrong."""


class RefusedError(Error):
    """A check refused the call, such as a comparison of scores of different images."""


class InterruptedError(Error):
    """Work was interrupted; the same call resumes it."""
