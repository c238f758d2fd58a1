"""``python -m lsp_server`` serves standard input and output."""

from lsp_server.server import main

main()
