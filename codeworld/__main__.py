"""The ``codeworld`` command: ends with exit code 0 (done), 1 (nothing to offer, check failed) or 2 (bad input)."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line of this process; never returns."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["lsp"] and not {"--help", "-h"} & set(arguments):
        # An editor waits for this one: the command line's libraries would cost it 0.2 s. Whatever arguments editors
        # append (vscode-languageclient: --stdio) say nothing new.
        from lsp_server.server import main as serve

        serve()
        sys.exit(0)
    from codeworld.cli import run

    sys.exit(run(arguments))


if __name__ == "__main__":
    main()
