"""The content of a new docstring: facts from the code, phrases from where they are certain."""

from __future__ import annotations

from collections.abc import Iterator

from codeworld.canvas import Reject
from textdiff.docstring import phrases, usage
from textdiff.docstring.project import Project
from textdiff.docstring.styles import Content, Entry, Style
from textdiff.docstring.understand import Parameter, Source, Target, is_iterator
from textdiff.docstring.verbs import VERBS
from textdiff.entities import Vocabulary
from textdiff.phrase import Phrase, Writer, best
from textdiff.source import definitions, docstring_source, summaries_around

_UNFIT = ('"""', "'''", "\\", "\n", "\t")


class Builder:
    """Collects a docstring's content; ``used`` are the phrases in it and where they came from."""

    def __init__(
        self,
        source: Source,
        target: Target,
        project: Project,
        writer: Writer | None,
        given: str,
        path: str = "",
    ) -> None:
        self._source, self._target, self._project, self._writer = source, target, project, writer
        self._given, self._path = given, path
        self._known = Vocabulary([source.text])
        self.used: list[Phrase] = []

    def content(self, style: Style) -> Content | Reject:
        """What there is to say in a style. Refused when no summary is certain."""
        summary = self._summary()
        if not summary:
            return Reject("no-summary", "neither the code nor the project says what it is for")
        target = self._target
        if style.name == "plain" or target.kind in ("module", "property") or _lint_knows_better(target):
            return Content(summary)
        parameters = tuple(self._parameter(one, style) for one in target.parameters)
        if target.kind == "class":
            attributes = tuple(
                self._attribute(one) for one in target.attributes if not one.name.startswith("_")
            )
            return Content(summary, parameters, attributes, raises=tuple(self._raises()))
        return Content(summary, parameters, (), self._returns(style), self._yields(), tuple(self._raises()))

    def _summary(self) -> str:
        for phrase in self._summaries():
            if not any(unfit in phrase.text for unfit in _UNFIT) and self._known.allows(phrase.text):
                self.used.append(phrase)
                return phrase.text
        return ""

    def _summaries(self) -> Iterator[Phrase]:
        target = self._target
        if self._given:
            yield Phrase("summary", phrases.sentence(self._given), "given")
        if written := self._written():
            yield Phrase("summary", phrases.sentence(written), "writer")
        if target.owner:
            bases = next((one.bases for one in self._source.targets if one.name == target.owner), ())
            first = self._project.overridden(target, bases).strip().split("\n")[0]
            if first.endswith(".") and first.split(" ")[0].lower() in VERBS and ". " not in first:
                yield Phrase("summary", first, "override")
        yield from phrases.certain(self._source, target)

    def _written(self) -> str:
        """What the model says of a function or class; it has learnt nothing of modules."""
        if self._writer is None:
            return ""
        text, row = self._source.text, self._target.line + 1
        found = list(definitions(text))
        at = next((number for number, one in enumerate(found) if one.line == row), None)
        if at is None:
            return ""
        around = summaries_around(found, at)
        asked = docstring_source(found[at].code, path=self._path, name=self._target.qualname, around=around)

        def words() -> list[str]:
            return [text, *self._project.texts()]

        return best(self._writer, "docstring", asked, allowed=self._known.allows, words=words)

    def _parameter(self, parameter: Parameter, style: Style) -> Entry:
        text = self._project.described(parameter.name)
        origin = "project"
        if not text or any(unfit in text for unfit in _UNFIT) or not self._known.allows(text):
            text, origin = usage.of_parameter(self._target, parameter), "body"
        self.used.append(Phrase(f"parameter {parameter.name}", text, origin))
        return Entry(parameter.name, _type(parameter, style), text)

    def _attribute(self, attribute: Parameter) -> Entry:
        text = usage.of_attribute(attribute)
        self.used.append(Phrase(f"attribute {attribute.name}", text, "body"))
        return Entry(attribute.name, attribute.annotation, text)

    def _returns(self, style: Style) -> Entry | None:
        target = self._target
        if target.yields:
            return None  # what a generator returns is seen by ``yield from`` only
        if not target.returns_value and target.returns in ("", "None", "NoReturn", "typing.NoReturn"):
            # Linters take a bare "return" for a result, unless the signature says that there is none.
            return (
                Entry("", "None" if style.name == "numpy" else "", "None.") if target.returns_early else None
            )
        return self._result("returns", target.returns, usage.of_result(target))

    def _yields(self) -> Entry | None:
        target = self._target
        if not target.yields or target.yield_type == "None":
            return None
        return self._result("yields", target.yield_type, usage.of_yield(target))

    def _result(self, slot: str, type_: str, text: str) -> Entry:
        if text:
            self.used.append(Phrase(slot, text, "body"))
        return Entry("", type_, text)

    def _raises(self) -> Iterator[Entry]:
        for one in self._target.raises:
            text = usage.of_raise(one)
            if text:
                self.used.append(Phrase(f"raises {one.type}", text, "body"))
            yield Entry(one.type, "", text)


def _type(parameter: Parameter, style: Style) -> str:
    """The type as the style writes it."""
    return parameter.annotation


def _lint_knows_better(target: Target) -> bool:
    """Whether sections would have to say what is not known: which type a variable holds that is raised, or what a
    function gives that is a generator by its body and something else by its annotation."""
    odd = target.yields and bool(target.returns) and not is_iterator(target.returns)
    both = target.yields and target.returns_value
    return target.raises_unknown or odd or both or target.yields_in_passing
