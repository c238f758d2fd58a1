from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from lsp_server.config import Settings, overlay, own_part, read


def test_every_key_is_read_in_camel_case() -> None:
    reading = read(
        {
            "completion": {"inComments": True, "threshold": 0.5, "quietAfterUndoMs": 0, "menu": "never"},
            "index": {"budgetS": 7},
            "engine": {"spawn": False},
        }
    )
    completion = reading.settings.completion
    assert (completion.in_comments, completion.threshold, completion.quiet_after_undo_ms) == (True, 0.5, 0)
    assert (reading.settings.index.budget_s, reading.settings.engine.spawn) == (7, False)
    assert (reading.unknown, reading.invalid) == ((), ())


def test_unknown_keys_are_named_with_their_place() -> None:
    reading = read({"completion": {"inComment": True}, "telemetry": {}})
    assert reading.unknown == ("codeworld.completion.inComment", "codeworld.telemetry")
    assert reading.settings == Settings()


def test_an_invalid_value_is_left_at_its_default_and_the_others_hold() -> None:
    reading = read({"completion": {"threshold": 2, "inStrings": True}, "index": "all"})
    assert reading.settings.completion.threshold is None
    assert reading.settings.completion.in_strings
    assert len(reading.invalid) == 2
    assert reading.invalid[0].startswith("codeworld.completion.threshold: ")
    assert reading.invalid[1] == "codeworld.index: expected an object"


@pytest.mark.parametrize("value", ["yes", 1, [], {}])
def test_no_value_is_bent_into_a_boolean(value: object) -> None:
    assert len(read({"completion": {"enabled": value}}).invalid) == 1


def test_null_means_not_set() -> None:
    under = {"completion": {"inStrings": True, "multiline": True}}
    assert overlay(under, {"completion": {"inStrings": None, "multiline": False}}) == {
        "completion": {"inStrings": True, "multiline": False}
    }
    assert read({"completion": None, "engine": {"spawn": None}}).settings == Settings()


@pytest.mark.parametrize(
    ("sent", "own"),
    [
        ({"codeworld": {"index": {}}, "python": {}}, {"index": {}}),
        ({"index": {}}, {"index": {}}),
        (None, {}),
        ([1], {}),
        ("x", {}),
    ],
)
def test_our_part_of_a_message(sent: object, own: dict[str, object]) -> None:
    assert own_part(sent) == own


def test_settings_of_the_pipeline_follow_the_users() -> None:
    pipeline = read({"completion": {"multiline": True, "threshold": 0.5}}).settings.completion.pipeline()
    assert (pipeline.multiline, pipeline.threshold, pipeline.in_comments) == (True, 0.5, False)


def test_the_readme_names_every_setting_and_no_other() -> None:
    table = (
        (Path(__file__).parents[2] / "README.md").read_text().partition("| setting |")[2].partition("\n\n")[0]
    )
    named: set[str] = set()
    for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE):
        section = ""
        for name in re.findall(r"`([\w.]+)`", row):
            section, _, key = (name if name[0] != "." else section + name).rpartition(".")
            named.add(f"{section}.{key}")
    trees = {field.encode_name: field.type for field in msgspec.structs.fields(Settings)}
    assert named == {
        f"{section}.{field.encode_name}"
        for section, tree in trees.items()
        for field in msgspec.structs.fields(tree)
    }
