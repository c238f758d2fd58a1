"""What a command can end with, other than success.

- CommandError: the work could not be done (exit code 1)
  - ModelMissing: the weights that it takes are not installed
  - BadInput: what was asked for is wrong: file, position, record, model (exit code 2)

The message is one line that says what is wrong and, where there is something, what to do.
"""

from __future__ import annotations


class CommandError(Exception):
    """The command failed; ``exit_code`` is the process's exit code."""

    exit_code = 1


class BadInput(CommandError):
    """The caller's input cannot be used; nothing was written."""

    exit_code = 2


class ModelMissing(CommandError):
    """The weights that it takes are not installed; what does without them can go on."""
