"""The commands and their options. What a command needs is imported when it runs, so that ``--help`` is instant."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from codeworld.cli_train import PASS_ON, train
from codeworld.errors import BadInput, CommandError

if TYPE_CHECKING:
    import msgspec

    from textdiff.phrase import Writer

app = typer.Typer(
    name="codeworld",
    help="A private, offline code completion engine and language server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
InProcess = Annotated[
    bool,
    typer.Option("--no-engine", help="Load the model into this process instead of asking the shared engine."),
]
WithModel = Annotated[
    bool,
    typer.Option(
        "--model",
        help="Let the text model offer a phrase where it is sure. Needs weights in CODEWORLD_TEXT_MODEL; without them "
        "the code model writes summaries of docstrings.",
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(min=0.0, max=1.0, help="Lowest confidence that is offered; the model's own when left out."),
]


def run(arguments: list[str]) -> int:
    """Run one command; errors become one line on stderr. Returns the exit code."""
    try:
        code = app(arguments, prog_name="codeworld", standalone_mode=False)
    except typer.TyperException as error:
        return _report(error.format_message(), error.exit_code)
    except CommandError as error:
        return _report(str(error), error.exit_code)
    except OSError as error:
        if error.filename is None:
            raise
        return _report(f"{error.filename}: {error.strerror}", BadInput.exit_code)
    return code if isinstance(code, int) else 0


@app.command()
def lsp(
    stdio: Annotated[bool, typer.Option("--stdio", hidden=True, help="What some editors append.")] = True,
) -> None:
    """Language server on standard input and output; editors start this."""
    from codeworld.__main__ import serve

    serve()


@app.command()
def complete(
    where: Annotated[str, typer.Argument(metavar="FILE:L:C", help="Line and column, from 1, in characters.")],
    hole: Annotated[
        str, typer.Option(help="Complete where this text stands in FILE instead of at L:C.")
    ] = "",
    multiline: Annotated[
        bool, typer.Option("--multiline", help="Allow more than the rest of the line.")
    ] = False,
    threshold: Threshold = None,
    no_engine: InProcess = False,
    json: Json = False,
) -> None:
    """One completion, made from the file and the repository around it."""
    from codeworld import source

    place = source.place_of_marker(where, hole) if hole else source.place(where)

    from rich.console import Console

    from codeworld import cli_complete
    from codeworld.backend import open_model
    from codeworld.canvas import Reject
    from codeworld.complete import CompletionSettings

    settings = CompletionSettings(threshold=threshold, multiline=multiline)
    with open_model(in_process=no_engine) as model:
        completion, verdict = cli_complete.complete(place, model, settings)
    if json:
        _print_json(completion)
    elif not isinstance(verdict, Reject):
        cli_complete.show(Console(), place, completion, verdict)
    if isinstance(verdict, Reject):
        raise typer.Exit(_report(f"nothing to offer: {verdict.reason} {verdict.detail}".rstrip(), 1))


@app.command()
def infill(
    holes: Annotated[Path, typer.Argument(metavar="IN.jsonl", help='{"id","prefix","suffix"} per line.')],
    out: Annotated[Path, typer.Argument(metavar="OUT.jsonl", help="Replaced when all is done.")],
    shape: Annotated[
        Literal["span", "line"],
        typer.Option(help="span: any number of lines; line: ends before the first line end."),
    ] = "span",
    threshold: Threshold = None,
    no_engine: InProcess = False,
    json: Json = False,
) -> None:
    """Fill every hole of a file; an interrupted run goes on where it stopped."""
    from codeworld import cli_infill

    records = cli_infill.read_holes(holes)
    cli_infill.check_output(out)

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from codeworld.backend import open_model
    from codeworld.complete import CompletionSettings

    # Who names a hole wants it filled, wherever it is.
    settings = CompletionSettings(
        threshold=threshold, multiline=shape == "span", in_comments=True, in_strings=True, in_words=True
    )
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        open_model(in_process=no_engine, priority="batch") as model,
        Progress(*columns, console=Console(stderr=True)) as bars,
    ):
        task = bars.add_task("", total=len(records))
        summary = cli_infill.fill_all(
            records,
            out,
            model,
            settings=settings,
            progress=lambda n: bars.update(task, completed=n),
        )
    if json:
        _print_json(summary)
    else:
        print(f"{summary.records} holes, {summary.accepted} accepted → {out}")


@app.command()
def fix(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A Python file that is broken.")],
    test: Annotated[
        str,
        typer.Option(
            metavar="CMD", help="A command that must succeed; runs in a sandbox, in FILE's project."
        ),
    ] = "",
    describe: Annotated[str, typer.Option(metavar="TEXT", help="What the program should do.")] = "",
    types: Annotated[
        bool,
        typer.Option(
            "--types",
            help="The project's type checker may find no new error, or, without --test, its errors are"
            " repaired; runs in the sandbox.",
        ),
    ] = False,
    budget: Annotated[float, typer.Option(metavar="SECONDS", min=1.0, help="For trying programs.")] = 120.0,
    write: Annotated[bool, typer.Option("--write", help="Change FILE.")] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Print the change as a patch (what is done by itself).")
    ] = False,
    threshold: Threshold = None,
    no_engine: InProcess = False,
    json: Json = False,
) -> None:
    """Repair a file: one that does not parse, with --test one whose test fails, with --types one that the type
    checker complains about. Only what was verified is
    offered."""
    from codeworld import cli_fix, source

    if write and diff:
        raise BadInput("--write and --diff exclude one another")
    text = source.read(file)
    if write:
        cli_fix.check_writable(file)
    asked = cli_fix.Asked(test, describe, types, budget, threshold)
    repaired = cli_fix.fix(file, text, asked, in_process=no_engine)
    for line in filter(None, (*repaired.missing, repaired.degraded)):
        _report(line, 0)
    if write and repaired.fixes:
        cli_fix.write(file, text, repaired.fixes[0])
    if json:
        _print_json(repaired)
    elif repaired.fixes and not write:
        from rich.console import Console

        cli_fix.show(Console(), file, text, repaired.fixes[0])
    if not repaired.fixes:
        raise typer.Exit(_report(f"nothing to offer: {repaired.reason}", 1))


@app.command()
def docstring(
    where: Annotated[
        str, typer.Argument(metavar="FILE[:QUALNAME]", help="A file, one thing in it, or a folder.")
    ],
    style: Annotated[
        Literal["google", "numpy", "sphinx", "plain"] | None,
        typer.Option(help="The project's own when left out."),
    ] = None,
    summary: Annotated[
        str, typer.Option(metavar="TEXT", help="Your own summary for FILE:QUALNAME; the rest is filled in.")
    ] = "",
    private: Annotated[bool, typer.Option("--private", help="Also what begins with an underscore.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Change the files.")] = False,
    model: WithModel = False,
    json: Json = False,
) -> None:
    """Docstrings that are missing, and corrections of those that signature or body made false. Says only what the code
    says."""
    from codeworld import cli_docstring
    from textdiff.docstring.document import Settings
    from textdiff.docstring.styles import Style

    if summary and ":" not in where:
        raise BadInput("--summary needs FILE:QUALNAME")
    settings = Settings(style=Style(style) if style else None, summary=summary, private=private)
    with cli_docstring.opened_writer(model) as writer:
        report, changed = cli_docstring.run(where, settings, write=write, writer=writer)
    if json:
        _print_json(report)
    elif not write:
        from codeworld import cli_fix

        print("".join(cli_fix.diff(path, before, after) for path, before, after in changed), end="")
    else:
        print(f"{sum(len(one.offers) for one in report.files)} docstrings in {report.written} files")


@app.command(name="commit-message")
def commit_message(
    repo: Annotated[
        Path, typer.Option("--repo", metavar="DIR", help="The repository, or a folder in it.")
    ] = Path(),
    install_hook: Annotated[
        bool, typer.Option("--install-hook", help="Have git ask for the message; never replaces a hook.")
    ] = False,
    into: Annotated[
        Path | None, typer.Option("--into", metavar="FILE", help="Put it there, as a hook does.")
    ] = None,
    model: WithModel = False,
    json: Json = False,
) -> None:
    """A message for what is staged: facts of the diff, in the words and the style of the repository's history."""
    from codeworld import cli_commit

    if install_hook:
        print(cli_commit.install(repo))
        return
    made = cli_commit.compose(repo, _writer(model))
    if made.note:
        _report(made.note, 0)
    if into is not None:
        from textdiff.commit import hook

        hook.put(made.text, into)
    elif json:
        _print_json(cli_commit.printed(made))
    else:
        print(made.text, end="")


@app.command(name="tests")
def make_tests(
    target: Annotated[
        str,
        typer.Argument(
            metavar="FILE[:QUALNAME]", help="A Python file, or a function, method or class of it."
        ),
    ],
    write: Annotated[
        bool, typer.Option("--write", help="Write the tests where the project keeps them.")
    ] = False,
    budget: Annotated[
        float, typer.Option(min=1.0, max=600.0, metavar="SECONDS", help="For each function, at most.")
    ] = 10.0,
    model: Annotated[bool, typer.Option(help="Have the model propose inputs, too.")] = False,
    no_engine: InProcess = False,
    json: Json = False,
) -> None:
    """Unit tests that have run: they record what the code does, and fail when it does something else. The code runs in
    a sandbox. What contradicts documentation is reported, not recorded."""
    from codeworld import cli_tests

    file, qualname = cli_tests.split(target)
    if write:
        cli_tests.check_writable(file)
    made = cli_tests.make(
        file,
        qualname,
        budget_s=budget,
        with_model=model,
        in_process=no_engine,
    )
    if made.degraded:
        _report(made.degraded, 0)
    if made.generated is not None and write:
        cli_tests.write(made.generated)
    if json:
        _print_json(made)
    elif made.generated is not None:
        print(
            f"→ {made.generated.path}" if write else cli_tests.patch(made.generated),
            end="\n" if write else "",
        )
    if made.generated is None:
        raise typer.Exit(_report(f"nothing to offer: {made.reason}", 1))
    for line in cli_tests.notes(made.generated):
        _report(line, 0)


@app.command(name="summarize")
def summarize_repository(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The repository, or a folder of it.")],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="Where the page goes; printed when left out."),
    ] = None,
    check: Annotated[
        Path | None, typer.Option("--check", metavar="PAGE", help="Verify every citation of a page instead.")
    ] = None,
    budget: Annotated[
        int | None, typer.Option(min=20, max=100_000, metavar="LINES", help="How long the page may get.")
    ] = None,
    model: Annotated[
        bool,
        typer.Option(
            help="Have the code model write roles where nobody wrote any; they are marked as generated."
        ),
    ] = False,
    no_engine: InProcess = False,
    json: Json = False,
) -> None:
    """A page about a repository whose every claim cites file and line; --check says which no longer hold."""
    from codeworld import cli_summarize

    cli_summarize.check_folder(folder)
    if check is not None and (out is not None or budget is not None or model):
        raise BadInput("--check writes no page: leave out -o, --budget and --model")
    if check is not None:
        checked = cli_summarize.verify(check, folder)
        if json:
            _print_json(checked)
        else:
            cli_summarize.show(checked)
        if checked.stale:
            raise typer.Exit(1)
        return
    if out is not None:
        cli_summarize.check_output(out)
    summary, sources = cli_summarize.make(folder, out, with_model=model, in_process=no_engine)
    if out is not None or not json:
        cli_summarize.write(summary, sources, out, budget)
    if json:
        _print_json(summary)


@app.command()
def doctor(
    self_test: Annotated[bool, typer.Option(help="Start the engine and time a completion.")] = True,
    json: Json = False,
) -> None:
    """What this machine has, how fast it is, and what is degraded and why."""
    from rich.console import Console

    from codeworld import doctor as examination

    report = examination.examine(self_test=self_test)
    if json:
        _print_json(report)
    else:
        examination.show(Console(), report)
    if not report.ok:
        raise typer.Exit(1)


@app.command()
def bench(
    count: Annotated[int, typer.Option(min=1, max=10_000, help="Positions to complete.")] = 40,
    no_engine: InProcess = False,
    json: Json = False,
) -> None:
    """Median and 95th percentile of a completion on this machine, over Codeworld's own sources."""
    from rich.console import Console

    from codeworld import bench as benchmark
    from codeworld.backend import open_model

    with open_model(in_process=no_engine) as model:
        report = benchmark.measure(model, count)
    if json:
        _print_json(report)
    else:
        benchmark.show(Console(), report)


@app.command(name="eval", add_help_option=False, context_settings=PASS_ON)
def evaluate(context: typer.Context) -> None:
    """Measure the model on development sets; see `codeworld eval --help`."""
    import msgspec

    from codeworld.training import evaluate as evaluation

    try:
        raise typer.Exit(evaluation.main(context.args))
    except msgspec.MsgspecError as error:
        raise BadInput(f"a file of holes or generations cannot be read: {error}") from error


app.add_typer(train, name="train")


def _writer(model: bool) -> Writer | None:
    """The text model, where it is wanted and there."""
    if not model:
        return None
    from textdiff import writer

    found = writer.installed()
    if found is None:
        _report("no weights of the text model in CODEWORLD_TEXT_MODEL: going on without it", 0)
    return found


def _print_json(value: msgspec.Struct) -> None:
    import msgspec

    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def _report(message: str, code: int) -> int:
    """One line on stderr, whatever the message looks like. Returns ``code``."""
    print("codeworld:", " ".join(message.split()), file=sys.stderr)
    return code
