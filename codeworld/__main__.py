"""The ``codeworld`` command: ends with exit code 0 (done), 1 (nothing to offer, check failed) or 2 (bad input)."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line of this process; never returns."""
    arguments = sys.argv[1:]
    if arguments in (["lsp"], ["lsp", "--stdio"]):
        serve()  # an editor waits: the command line's libraries would cost it 0.2 s
    from codeworld.cli import run

    sys.exit(run(arguments))


def serve() -> None:
    """Be the language server on standard input and output; never returns."""
    from lsp_server.server import main as serve_until_exit

    serve_until_exit()
    sys.exit(0)


if __name__ == "__main__":
    main()
