"""`studbook policy …`: policies drafted, tested, tried, asked; packs, frameworks, verdicts, coverage."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studbook.cli import screen
from studbook.cli.documents import Form, read_bytes
from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError, print_places
from studbook.cli.governing.parts import About, GateOption, RecordId, VersionRef, show_verdict
from studbook.cli.listing import take
from studbook.cli.options import AsJson, Everything, Limit, new_app
from studbook.cli.session import open_registry
from studbook.cli.text import day, safe
from studbook.cli.yaml_text import to_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from studbook.client import PolicyVersion

app = new_app("Say what must hold before something is done, and ask.")


class PageFormat(StrEnum):
    """How a page for a person is written."""

    MARKDOWN = "markdown"
    HTML = "html"


class Outcome(StrEnum):
    """What policies said."""

    ALLOW = "allow"
    WARN = "warn"
    DENY = "deny"


class Asked(StrEnum):
    """A state in which a policy is asked."""

    AUDIT = "audit"
    WARN = "warn"
    ENFORCE = "enforce"


_File = Annotated[str, typer.Argument(metavar="FILE", help="A policy in YAML or JSON; - for standard input.")]
_Place = Annotated[str, typer.Argument(metavar="NAME[/VERSION]", help="A policy; without a version its latest.")]
_AsPage = Annotated[PageFormat | None, typer.Option("--as", help="Print a page for a person: markdown or html.")]
_Against = Annotated[int | None, typer.Option("--against", min=1, help="Compare with this version of the policy.")]
_Why = Annotated[str | None, typer.Option("--reason", help="Why.")]
_State = Annotated[Asked, typer.Option("--state", help="What comes of a rule that is not met.")]
_Params = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="Another value for a parameter of the pack: JSON, or a word."),
]
_Models = Annotated[list[str] | None, typer.Option("--model", metavar="NAME", help="Only about models of this name or pattern.")]
_Targets = Annotated[
    list[str] | None, typer.Option("--target", metavar="NAME", help="Only about this alias or deployment target, or pattern.")
]
_Pack = Annotated[str, typer.Argument(metavar="PACK", help="A pack that Studbook ships; `studbook policy packs` lists them.")]
_Framework = Annotated[str, typer.Option("--framework", "-f", help="`studbook policy frameworks` lists them.")]
_Ref = Annotated[str, typer.Argument(metavar="REF", help="A model (models/NAME) or a version (NAME/3).")]
_AsYaml = Annotated[bool, typer.Option("--yaml", help="Print the policy as YAML, to be changed and drafted again.")]
_STYLES = {"enforce": screen.GOOD, "warn": screen.CAUTION}


@app.command("list")
def list_policies(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List policies, with the versions that are asked."""
    with open_registry(context) as registry:
        found = [(policy, list(registry.list_policy_versions(policy.policy))) for policy in registry.list_policies()]
    if as_json:
        screen.write_json({"items": [{**policy.raw, "versions": [one.raw for one in versions]} for policy, versions in found]})
        return
    table = screen.columns("policy", "version", "state", "since", "title", right=["version"])
    for policy, versions in found:
        asked = [one for one in versions if one.status in _STYLES or one.status == "audit"] or versions[:1]
        for one in asked:
            table.add_row(
                screen.styled(policy.policy, screen.NAME),
                str(one.number),
                screen.styled(one.status, _STYLES.get(one.status, screen.QUIET)),
                day(one.updated_at),
                safe(one.document.get("title") or ""),
            )
    screen.print_table(table, none="No policies yet; `studbook policy packs` shows those that Studbook ships.")


@app.command("show")
def show(
    context: typer.Context, place: _Place, *, as_page: _AsPage = None, as_yaml: _AsYaml = False, as_json: AsJson = False
) -> None:
    """Show a policy: what is asked, what is said when it is not so, how to mend it."""
    name, version = _read_place(place)
    with open_registry(context) as registry:
        if as_json or as_yaml:
            found = registry.get_policy_version(name, version)
            if as_yaml:
                sys.stdout.write(to_yaml(found.document))
            else:
                screen.write_json(found.raw)
            return
        sys.stdout.write(registry.policy_page(name, version, (as_page or PageFormat.MARKDOWN).value))


@app.command("draft")
def draft(context: typer.Context, file: _File, *, as_json: AsJson = False) -> None:
    """Keep a policy as a draft; it is asked once it is moved (`studbook policy enforce NAME`)."""
    content, form = _read(file)
    with open_registry(context) as registry:
        _confirm(registry.draft_policy(content, media_type=f"application/{form.value}"), as_json=as_json)


@app.command("test")
def run_tests(context: typer.Context, file: _File, *, as_json: AsJson = False) -> None:
    """Check a policy and run its own tests; nothing is stored."""
    content, form = _read(file)
    with open_registry(context) as registry:
        result = registry.test_policy(content, media_type=f"application/{form.value}")
    if as_json:
        screen.write_json(result.raw)
    elif result.passed:
        screen.confirm(f"{result.tests} tests pass")
    if not result.passed:
        if not as_json:
            screen.notices().print(screen.line(("✗ ", screen.BAD), f"{len(result.errors)} faults"))
            print_places(result.errors)
        raise typer.Exit(Exit.REFUSED)


def _move(state: str) -> Any:  # noqa: ANN401 - a command
    def move(context: typer.Context, place: _Place, *, reason: _Why = None, as_json: AsJson = False) -> None:
        name, version = _read_place(place)
        with open_registry(context) as registry:
            _confirm(registry.move_policy(name, state, version, reason=reason), as_json=as_json)

    move.__doc__ = {
        "audit": "Ask a policy from now on, and only write down what it says.",
        "warn": "Ask a policy from now on, and warn of what is not met.",
        "enforce": "Ask a policy from now on, and refuse what does not meet it.",
        "retired": "Ask a policy no longer.",
    }[state]
    return move


app.command("audit")(_move("audit"))
app.command("warn")(_move("warn"))
app.command("enforce")(_move("enforce"))
app.command("retire")(_move("retired"))


@app.command("try")
def try_policy(context: typer.Context, place: _Place, *, against: _Against = None, as_json: AsJson = False) -> None:
    """Ask a policy about every stored version, without effect: how many it would refuse, which, and why."""
    name, version = _read_place(place)
    with open_registry(context) as registry:
        for line in registry.try_policy(name, version, against=against):
            if as_json:
                screen.write_json_line(line)
            elif line["type"] == "progress":
                if sys.stderr.isatty():
                    screen.notices().print(screen.styled(f"  {line['done']:,} of {line['total']:,} versions", screen.QUIET))
            elif line["type"] == "summary":
                _summarise(line)
            else:
                _show_tried(line)


def _show_tried(line: dict[str, Any]) -> None:
    rules = "; ".join(f"{failed['rule']}: {failed['message']}" for failed in line["failed"])
    outcome = f"{line['was']} → {line['outcome']}" if "was" in line else line["outcome"]
    style = screen.BAD if line["outcome"] == "deny" else screen.CAUTION
    screen.output().print(screen.line((line["version"], screen.NAME), "  ", (outcome, style), f"  {rules}"))


def _summarise(line: dict[str, Any]) -> None:
    parts = [
        f"{line['looked_at']:,} looked at",
        f"{line['applied']:,} concerned",
        f"{line['deny']:,} refused",
        f"{line['warn']:,} warned of",
    ]
    if "changed" in line:
        parts.append(f"{line['changed']:,} with another outcome")
    screen.confirm(", ".join(parts))
    for rule, count in line["by_rule"].items():
        screen.output().print(screen.line("  ", (rule, screen.NAME), f"  {count:,}"))


@app.command("check")
def check(context: typer.Context, ref: VersionRef, *, gate: GateOption, as_json: AsJson = False) -> None:
    """Ask what policies would say of an action; nothing is done. The exit code is 1 when they would refuse it."""
    with open_registry(context) as registry:
        answer = registry.check_policies(ref, gate)
    if as_json:
        screen.write_json(answer.raw)
    else:
        show_verdict(answer.verdict)
    if answer.outcome == "deny":
        raise typer.Exit(Exit.REFUSED)


@app.command("standing")
def standing(context: typer.Context, ref: VersionRef, *, as_json: AsJson = False) -> None:
    """Show what stands for and against a version: recalls and findings that reach it, attestations, waivers, requests."""
    with open_registry(context) as registry:
        found = registry.get_standing(ref)
    if as_json:
        screen.write_json(found.raw)
        return
    mark = ("recalled", screen.BAD) if found.recalled else ("not recalled", screen.GOOD)
    screen.output().print(screen.line((found.subject, screen.NAME), "  ", mark))
    table = screen.columns("what", "", "where")
    for recall in found.recalls:
        table.add_row(screen.styled("recall", screen.BAD), safe(recall["reason"]), safe(_way(recall)))
    for finding in found.findings:
        table.add_row(screen.styled("finding", screen.BAD), safe(finding["title"]), safe(_way(finding)))
    for attestation in found.attestations:
        state = "" if attestation["valid"] else " (over)"
        table.add_row("attestation", safe(f"{attestation['type']}{state}"), safe(f"by {attestation['by']}"))
    for waiver in found.waivers:
        table.add_row("waiver", safe(f"{waiver['policy']}/{waiver['rule']}"), safe(f"until {waiver['ends_at'][:10]}"))
    for request in found.requests:
        table.add_row("request", safe(request["passage"]), safe(request["status"]))
    for review in found.reviews:
        due = "overdue since" if review["overdue"] else "due"
        table.add_row("review", safe(f"{due} {review['next_due'][:10]}"), safe(review["subject"]))
    if table.row_count:
        screen.output().print(screen.indented(table))


def _way(obstacle: Mapping[str, Any]) -> str:
    return " ← ".join(obstacle["path"]) or str(obstacle["subject"])


@app.command("packs")
def packs(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List the packs of policies that Studbook ships."""
    with open_registry(context) as registry:
        found = registry.list_policy_packs()
    if as_json:
        screen.write_json({"items": [pack.raw for pack in found]})
        return
    table = screen.columns("pack", "rules", "state", "what it asks", right=["rules"])
    for pack in found:
        states = ", ".join(sorted({state or "" for state in pack.states.values()}))
        table.add_row(
            screen.styled(pack.pack, screen.NAME),
            str(pack.rules),
            screen.styled(states, _STYLES.get(states, screen.QUIET)),
            safe(pack.description),
        )
    screen.print_table(table, none="Studbook ships no packs.")


@app.command("adopt")
def adopt(
    context: typer.Context,
    pack: _Pack,
    *,
    state: _State = Asked.ENFORCE,
    param: _Params = None,
    model: _Models = None,
    target: _Targets = None,
    as_json: AsJson = False,
) -> None:
    """Take up a pack: its policies are asked from now on."""
    params = dict(_read_param(text) for text in param or ())
    with open_registry(context) as registry:
        adopted = registry.adopt_policy_pack(pack, state.value, params=params, models=model or (), targets=target or ())
    if as_json:
        screen.write_json({"items": [one.raw for one in adopted]})
        return
    for one in adopted:
        _confirm(one, as_json=False)


@app.command("verdicts")
def verdicts(
    context: typer.Context,
    *,
    about: About = None,
    outcome: Annotated[Outcome | None, typer.Option("--outcome", help="Only those that came to this.")] = None,
    limit: Limit = 20,
    everything: Everything = False,
    as_json: AsJson = False,
) -> None:
    """List the verdicts that were kept, newest first."""
    with open_registry(context) as registry:
        kept = registry.list_verdicts(subject=about, outcome=outcome.value if outcome else None)
        found, truncated = take(kept, limit, everything=everything)
    if as_json:
        screen.write_json({"items": [verdict.raw for verdict in found], "truncated": truncated})
        return
    table = screen.columns("verdict", "gate", "subject", "not met", "when", "id", whole=["id"])
    for verdict in found:
        failed = ", ".join(f"{judged.policy}/{rule.rule}" for judged in verdict.policies for rule in judged.failed)
        style = {"allow": screen.GOOD, "warn": screen.CAUTION}.get(verdict.outcome, screen.BAD)
        gate = f"{verdict.gate}:{verdict.target}" if verdict.target else verdict.gate
        subject = verdict.subject.name if verdict.subject else ""
        when = f"{verdict.created_at:%Y-%m-%d %H:%M}" if verdict.created_at else ""
        table.add_row(
            screen.styled(verdict.outcome, style), gate, safe(subject), safe(failed), when, verdict.name.rpartition("/")[2]
        )
    screen.print_table(table, none="No verdicts yet.", truncated=truncated)


@app.command("verdict")
def verdict(context: typer.Context, record: RecordId, *, as_page: _AsPage = None, as_json: AsJson = False) -> None:
    """Show a verdict: what was asked, what was not met, why, and how to mend it."""
    with open_registry(context) as registry:
        if as_json:
            screen.write_json(registry.get_verdict(record).raw)
        elif as_page is not None:
            sys.stdout.write(registry.verdict_page(record, as_page.value))
        else:
            show_verdict(registry.get_verdict(record))


@app.command("frameworks")
def frameworks(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List the regulations, standards and guidelines that Studbook knows, each as of a day."""
    with open_registry(context) as registry:
        found = registry.list_frameworks()
    if as_json:
        screen.write_json({"items": found})
        return
    table = screen.columns("framework", "controls", "as of", "title", "version", right=["controls"])
    for one in found:
        name = screen.styled(one["framework"], screen.NAME)
        table.add_row(name, str(one["controls"]), one["retrieved"], safe(one["title"]), safe(one["version"]))
    screen.print_table(table, none="Studbook knows no frameworks.")


@app.command("coverage")
def coverage(
    context: typer.Context, ref: _Ref, *, framework: _Framework, as_page: _AsPage = None, as_json: AsJson = False
) -> None:
    """Report which controls of a framework a version meets, what is missing, and who answers for it."""
    with open_registry(context) as registry:
        if as_page is not None:
            sys.stdout.write(registry.coverage_page(ref, framework, as_page.value))
            return
        report = registry.get_coverage(ref, framework)
    if as_json:
        screen.write_json(report.raw)
        return
    owners = ", ".join(report.owners) or "nobody"
    screen.output().print(
        screen.line(
            (report.subject, screen.NAME),
            f"  meets {report.met} of {len(report.controls)} controls of {report.title}; {owners} answers for it",
        )
    )
    table = screen.columns("control", "state", "what it asks", "answers for it", "missing")
    styles = {"met": screen.GOOD, "missing": screen.BAD}
    for control in sorted(report.controls, key=lambda one: one.status != "missing"):
        missing = [str(rule["remediation"] or rule["message"]) for rule in control.rules if rule["status"] == "missing"]
        lacking = "; ".join(dict.fromkeys(missing))
        state = screen.styled(control.status, styles.get(control.status, screen.QUIET))
        table.add_row(screen.styled(control.id, screen.NAME), state, safe(control.demand), safe(control.owner), safe(lacking))
    screen.output().print(screen.indented(table))


def _read(file: str) -> tuple[bytes, Form]:
    content, form = read_bytes(file)
    if form is Form.NDJSON:
        message = f"{file}: a policy is one document, not one a line"
        raise CommandError(message, Exit.USAGE)
    return content, form


def _read_place(text: str) -> tuple[str, str]:
    name, _, version = text.removeprefix("policies/").partition("/")
    return name, version.removeprefix("versions/") or "latest"


def _read_param(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        message = f"{text!r}: write a parameter as NAME=VALUE"
        raise CommandError(message, Exit.USAGE)
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _confirm(version: PolicyVersion, *, as_json: bool) -> None:
    if as_json:
        screen.write_json(version.raw)
    else:
        place = f"{version.policy}/{version.number}"
        screen.confirm((place, screen.NAME), "  is ", (version.status, _STYLES.get(version.status, screen.QUIET)))
