"""What the model reads, and what of a repository it is to learn from."""

from __future__ import annotations

import json
import lzma
import random
import subprocess
import sys
from pathlib import Path

import pytest

from textdiff import commits, corpus, prose, source
from textdiff.corpus import Example, Selection, usable_summary

FILE = '''
import os

class Graph(Base):
    """Nodes and edges."""

    size: int = 0

    @property
    def order(self) -> int:
        """Number of nodes.

        Counts them.
        """
        def inner():
            """Hidden."""
            return 1
        return inner()

def one(): "docstring on the header's line"
'''

DIFF = """diff --git a/pkg/a.py b/pkg/a.py
index 1..2 100644
--- a/pkg/a.py
+++ b/pkg/a.py
@@ -1,3 +1,4 @@ def first():
 unchanged
-    old = 1
+    new = 1
+
diff --git a/uv.lock b/uv.lock
new file mode 100644
--- /dev/null
+++ b/uv.lock
@@ -0,0 +1 @@
+secret of the lock
diff --git a/old.py b/new.py
similarity index 100%
rename from old.py
rename to new.py
"""


def test_definitions_come_without_any_docstring() -> None:
    found = {one.name: one for one in source.definitions(FILE)}
    assert set(found) == {"Graph", "Graph.order", "Graph.order.inner"}
    assert found["Graph.order"].code.startswith("@property\ndef order(self) -> int:\n    def inner():")
    assert "Counts" not in found["Graph.order"].code
    assert "Hidden" not in found["Graph.order"].code
    assert (
        found["Graph"].code
        == "class Graph(Base):\n    size: int = 0\n    @property\n    def order(self) -> int:"
    )
    assert source.summary(found["Graph.order"].docstring or "") == "Number of nodes."


def test_what_stands_around_is_told_and_never_the_text_itself() -> None:
    text = FILE + (
        '\nclass Tree(Graph):\n    """A graph without cycles."""\n    def root(self):\n        """Find the root."""\n'
        "        return self.r\n    def leaf(self):\n        return 1\n    def size(self):\n"
        '        """Count the nodes."""\n        return 2\n'
    )
    found = list(source.definitions(text))
    at = {one.name: number for number, one in enumerate(found)}
    assert source.summaries_around(found, at["Tree.size"]) == [
        "A graph without cycles.", "Find the root.", "Number of nodes.",
    ]  # fmt: skip
    assert source.summaries_around(found, at["Tree.leaf"]) == [
        "A graph without cycles.", "Find the root.", "Count the nodes.",
    ]  # fmt: skip
    documented = list(source.definitions(text, documented_only=True))
    assert [one.name for one in documented] == [one.name for one in found if one.docstring is not None]
    number = next(i for i, one in enumerate(documented) if one.name == "Tree.size")
    assert source.summaries_around(documented, number) == source.summaries_around(found, at["Tree.size"])
    asked = source.docstring_source(
        found[at["Tree.size"]].code, path="a.py", name="Tree.size", around=["One thing."]
    )
    assert asked.startswith("docstring\n| One thing.\na.py: Tree.size\ndef size(self):")


def test_summary_stops_at_sections_and_whole_sentences() -> None:
    assert source.summary("Add a node.\n:param node: it") == "Add a node."
    assert source.summary("Args:\n    x: it") == ""
    long = "First sentence here. " + "Second one is long " * 20 + "."
    assert source.summary(long) == "First sentence here."


def test_a_diff_is_compacted_to_what_changed() -> None:
    text = source.commit_source(DIFF, ["Earlier subject"])
    assert text == (
        "commit\n| Earlier subject\nM pkg/a.py\n@ def first():\n-old = 1\n+new = 1\nA uv.lock\nR old.py -> new.py"
    )


def test_a_huge_diff_keeps_every_file_and_the_limit() -> None:
    part = "diff --git a/{0} b/{0}\n--- a/{0}\n+++ b/{0}\n@@ -1 +1 @@\n" + "+some new line of code\n" * 5000
    text = source.commit_source("".join(part.format(f"f{i}.py") for i in range(5)))
    assert len(text) <= source.SOURCE_CHARS
    assert [line for line in text.split("\n") if line.startswith("M ")] == [f"M f{i}.py" for i in range(5)]


@pytest.mark.parametrize(
    ("message", "subject"),
    [
        ("Fix crash when the graph is empty (#1234)\n\nbody", "Fix crash when the graph is empty"),
        ("Fixes #12: handle empty graphs", "handle empty graphs"),
        ("Merge branch 'main'", ""),
        ("Bump version to 1.2", ""),
        ("fix typo", ""),
        ("See https://example.com/x for why", ""),
        ("Thank someone@corporation.com for the patch", "Thank user@example.com for the patch"),
    ],
)
def test_subjects_that_say_something(message: str, subject: str) -> None:
    assert commits.clean_subject(message) == subject


def test_history_is_what_came_before(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True, capture_output=True)

    git("init", "-q")
    git("config", "user.email", "a@b.c")
    git("config", "user.name", "Someone")
    for number, subject in enumerate(
        ["Add the first thing", "Change the second thing", "Remove the third thing"]
    ):
        (tmp_path / "a.py").write_text(f"x = {number}\n")
        git("add", "a.py")
        git("commit", "-q", "-m", subject)
    found = commits.mine(tmp_path / ".git", (), None)
    assert [(one.subject, one.history) for one in found] == [
        ("Remove the third thing", ["Change the second thing", "Add the first thing"]),
        ("Change the second thing", ["Add the first thing"]),
        ("Add the first thing", []),
    ]


def test_a_commit_whose_file_a_mirror_lacks_is_passed_over(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(tmp_path), "-c", "user.name=Someone", "-c", "user.email=a@b.c", *arguments],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout.strip()

    git("init", "-q")
    subjects = ["Add the first thing", "Change the second thing", "Remove the third thing"]
    for number, subject in enumerate(subjects):
        (tmp_path / "a.py").write_text(f"x = {number}\n")
        (tmp_path / "big.json").write_text("[]" * number)
        git("add", ".")
        git("commit", "-q", "-m", subject)
    lost = git("rev-parse", "HEAD:a.py")
    (tmp_path / ".git" / "objects" / lost[:2] / lost[2:]).unlink()
    found = commits.mine(tmp_path / ".git", (), None)
    assert [one.subject for one in found] == subjects[1::-1]
    assert all("big.json" not in one.diff for one in found)
    assert [one.subject for one in commits.mine(tmp_path / ".git", (), None, wanted=1)] == subjects[1:2]


def test_prose_is_paragraphs_under_headings() -> None:
    text = (
        "# Tool\n\nA tool that reads the [files](http://x.y) of a project and writes them down again.\n\n"
        "```\ncode block that is not prose at all, it is code.\n\nstill code inside of the fence, also not prose.\n"
        "```\n\n- a list of things, not prose, even when it is long.\n\nUsage\n-----\n\n"
        "Call ``tool run`` in the root of your project and wait for it to end.\n\n"
        "Then read what it has written into the folder that you gave it.\n"
    )
    found = list(prose.paragraphs(text))
    assert [(one.keyword, one.text[:20]) for one in found] == [
        ("Tool", "A tool that reads th"),
        ("Tool / Usage", "Call `tool run` in t"),
        ("Tool / Usage", "Then read what it ha"),
    ]
    assert found[2].previous == found[1].text
    assert not found[1].previous


def test_nothing_held_out_is_trained_on() -> None:
    def example(code: str, target: str, repo: str) -> Example:
        return Example(
            "docstring", repo, "a.py:1", source.docstring_source(code, path=repo, name="f"), target
        )

    selection = Selection()
    selection.hold_out(
        example(
            "def f():\n    return 1", "Return the first of all the natural numbers that there are.", "held"
        )
    )
    assert not selection.admits(example("def f():\n        return 1", "Something else here.", "train"))
    assert not selection.admits(
        example("def g(): pass", "Return the first of all the natural numbers that there are.", "train")
    )
    assert selection.admits(example("def h(): pass", "Something else here.", "train"))
    assert not selection.admits(example("def h(): pass", "Something else again.", "train"))


def test_near_copies_are_dropped_and_their_held_out_originals_too() -> None:
    body = "".join(f"    total_{i} = first_{i} + second_{i} * third_{i}\n" for i in range(30))

    def example(name: str, repo: str, text: str = body) -> Example:
        code = source.docstring_source(f"def {name}(self):\n{text}", path="a.py", name=name)
        return Example("docstring", repo, f"a.py:{name}", code, f"Add up what {name} was given by {repo}.")

    selection = Selection()
    selection.hold_out(example("held", "held"))
    assert not selection.admits(example("held_too", "train"))
    other = body.replace("first", "left").replace("second", "right").replace("total", "sum")
    assert selection.admits(example("one", "train", other))
    assert not selection.admits(example("two", "train", other))
    assert selection.dropped == {"docstring: near copy": 2}


def test_shards_are_small_and_keep_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "SHARD_LIMIT", 300_000)
    monkeypatch.setattr(corpus, "FLUSHED_LIMIT", 150_000)
    rng = random.Random(0)
    made = [Example("text", "a/b", str(i), rng.randbytes(400).hex(), "target") for i in range(2_000)]
    shards = corpus.write_shards(made, tmp_path)
    assert len(shards) > 2
    assert all(size <= 300_000 for _, _, size in shards)
    lines = [
        line for name, _, _ in shards for line in lzma.decompress((tmp_path / name).read_bytes()).splitlines()
    ]
    assert [json.loads(line)["place"] for line in lines] == [one.place for one in made]
    corpus.write_shards(made[:1], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["shard-000.jsonl.xz"]


@pytest.mark.parametrize(
    "target", ["Add it", "See http://x.y for more.", "TODO write this later", "::: {{}} ;;"]
)
def test_summaries_that_say_nothing(target: str) -> None:
    assert not usable_summary(target)
    assert usable_summary("Add a node to the graph.")


def test_sources_and_the_writer_need_no_torch() -> None:
    code = "import sys, textdiff.source, textdiff.writer, textdiff.choose; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
