"""`filterlab stories`, and `filterlab mutate`: what their outcomes rest on."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from filterlab.runner.plan import facts, make_plan
from filterlab.scenario import content
from filterlab.scenario.load import load_scenario
from filterlab.scenario.problem import BadInput, Place, Problem, did_you_mean
from filterlab.stories import outcomes
from filterlab.stories.mutating import Colour, chosen
from filterlab.stories.mutating import mutate as play_without
from filterlab.stories.page import Told, markdown
from filterlab.stories.playing import play
from filterlab.verbs.words import Scenario, find

TABLE = "table.md"  # it says of all stories how they are run
NOT_AS_EXPECTED, BAD_INPUT, COULD_NOT_TELL = 1, 2, 3
_STATUS = {"as expected": 0, "not as expected": NOT_AS_EXPECTED}
_COLOURS = {Colour.RED: 0, Colour.GREEN: NOT_AS_EXPECTED}

Out = Annotated[Path | None, typer.Option(help="A folder to keep the evidence in.")]


def stories(
    scenario: Annotated[
        list[str] | None,
        typer.Argument(help="Names of scenarios that tell a story; all without one."),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            help="Write the table here as Markdown; what is known of stories that are"
            " not run now is kept beside it, as JSON."
        ),
    ] = None,
    run: Annotated[
        bool, typer.Option(help="With --no-run, write the page of what is known.")
    ] = True,
    out: Out = None,
) -> None:
    """Run the scenarios of all stories, and say in one table what came of them."""
    told = telling(page.parent if page is not None else None)
    names = scenario or list(told)
    for name in names:
        if name not in told:
            raise BadInput([_unknown(name, list(told))])
    kept = page.with_suffix(".json") if page is not None else None
    known = outcomes.read(kept) if kept is not None else {}
    known = {name: one for name, one in known.items() if name in told}
    today = datetime.now(UTC).date().isoformat()
    status = 0
    with _folder(out) as folder:
        for name in names if run else ():
            played = play(content.scenarios()[name], folder / _plain(name))
            if not played.result:
                print(f"{name}: could not tell: {played.broken}", file=sys.stderr)
                status = COULD_NOT_TELL
                continue
            known[name] = outcomes.outcome_of(played.result, today)
            verdict = known[name].verdict
            status = max(status, _STATUS.get(verdict, COULD_NOT_TELL))
            print(f"{name:<32} {verdict}", file=sys.stderr)
            for unmet in played.unmet:
                print(f"  not met: {unmet['text']}: {unmet['why']}", file=sys.stderr)
    shown = [told[name] for name in (told if page is not None else names)]
    text = markdown(shown, known)
    if page is None or kept is None:
        print(text, end="")
    else:
        outcomes.write(kept, known)
        page.write_text(text, "utf-8")
    raise typer.Exit(status)


def telling(pages: Path | None) -> dict[str, Told]:
    """The scenarios that tell a story, each with its page in a folder of pages."""
    written = {}
    if pages is not None:
        for path in sorted(pages.glob("*.md")):
            written[path.name] = path.read_text("utf-8")
    found = {}
    for name, path in content.scenarios().items():
        scenario = load_scenario(path, facts())
        if scenario.story is not None:
            found[name] = Told(name, scenario, _page(name, written))
    return found


def _page(name: str, written: dict[str, str]) -> str | None:
    """The page that says how the scenario is run, by its file or by its name."""
    run = re.compile(rf"run (?:scenarios/)?{re.escape(name)}(?:\.yaml)?(?![\w/-])")
    # The table itself says it of all of them.
    return next(
        (p for p, t in written.items() if run.search(t) and p != "table.md"), None
    )


def mutate(
    scenario: Scenario,
    rule: Annotated[
        str | None, typer.Option(help="Only this rule; else each that decides.")
    ] = None,
    out: Out = None,
) -> None:
    """Take the rules out that a scenario rests on, one by one, and see it fail."""
    plan = make_plan(find(scenario))
    rules = chosen(plan, rule)
    if not rules:
        what = f"no rule '{rule}'" if rule else "no rule at all"
        print(f"{scenario}: its expectations depend on {what}", file=sys.stderr)
        raise typer.Exit(BAD_INPUT if rule else 0)
    status = 0
    with _folder(out) as folder:
        for number, without in enumerate(rules):
            found = play_without(plan, without, folder / str(number))
            print(found.text, flush=True)
            status = max(status, _COLOURS.get(found.colour, COULD_NOT_TELL))
    raise typer.Exit(status)


def _unknown(name: str, names: list[str]) -> Problem:
    message = "there is no scenario of that name that tells a story"
    help_ = did_you_mean(name, names) or "see: filterlab list scenarios"
    return Problem("missing-file", Place(name, 1, 1), message, help=help_)


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    """Where the evidence goes: a named folder is new, and stays."""
    if out is None:
        with tempfile.TemporaryDirectory(prefix="filterlab-stories-") as made:
            yield Path(made)
        return
    if out.exists() and any(out.iterdir()):
        print(f"filterlab: error: {out}: holds something already", file=sys.stderr)
        raise typer.Exit(BAD_INPUT)
    out.mkdir(parents=True, exist_ok=True)
    yield out


def _plain(name: str) -> str:
    return name.replace("/", "-")
