"""What is no prose."""

from __future__ import annotations

import pytest

from textdiff.wording import SMALL, fault, words_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Return the number of nodes in the graph.", ""),
        ("Return the union of the nodes of the graph and of the edges", ""),
        ("Return `readNodes` of node_list.py from 1.2", ""),
        ("Return nodes", "short"),
        ("Return the graph graph", "repeats"),
        ("Return multgraphgraph of nodes", "repeats"),
        ("Return a graph, return a graph", "repeats"),
        ("Graph of nodes, graph of edges, graph", "repeats"),
        ("Return the `graph of nodes", "open"),
        ("Return the number of", "unfinished"),
        ("Return the graph,", "unfinished"),
        ("Return the grph of nodes", "no word grph"),
    ],
)
def test_fault(text: str, expected: str) -> None:
    known = words_of(["def return_number(graph): of nodes, union and edges"]) | SMALL
    assert fault(text, known.__contains__) == expected


def test_words_of_names() -> None:
    assert {"http", "client", "read", "node", "readnode"} <= words_of(["HTTPClient.readNode"])
