"""Policies, verdicts and coverage as pages for a person: the same blocks as Markdown (CommonMark with tables) or as HTML."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from studbook.domain.canonical import JsonObject

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>#|])")
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}"
    "table{border-collapse:collapse;width:100%;margin:1rem 0}th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;"
    "border-bottom:1px solid #d0d7de}code{background:#f3f4f6;padding:.1rem .3rem;white-space:pre-wrap}"
    "h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}"
)


@dataclass(frozen=True, slots=True)
class Code:
    """Text that is shown as it is written."""

    text: str


@dataclass(slots=True)
class Page:
    """Blocks in order."""

    title: str
    blocks: list[tuple[str, Any]] = field(default_factory=list)

    def heading(self, text: str) -> None:
        """Begin a section."""
        self.blocks.append(("heading", text))

    def text(self, text: str | None) -> None:
        """A paragraph, unless it is empty."""
        if text:
            self.blocks.append(("text", text))

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A table, unless it has no rows."""
        if rows:
            self.blocks.append(("table", (heads, rows)))

    def as_markdown(self) -> str:
        """The page as Markdown."""
        lines = [f"# {_escape(self.title)}"]
        for kind, content in self.blocks:
            if kind == "heading":
                lines.append(f"## {_escape(content)}")
            elif kind == "text":
                lines.append(_escape(content))
            else:
                heads, rows = content
                table = ["| " + " | ".join(_escape(head) for head in heads) + " |", "|" + " --- |" * len(heads)]
                table += ["| " + " | ".join(_markdown_cell(cell) for cell in row) + " |" for row in rows]
                lines.append("\n".join(table))
        return "\n\n".join(lines) + "\n"

    def as_html(self) -> str:
        """The page as a document of its own, without scripts and without anything from elsewhere."""
        parts = [f"<h1>{html.escape(self.title)}</h1>"]
        for kind, content in self.blocks:
            if kind == "heading":
                parts.append(f"<h2>{html.escape(content)}</h2>")
            elif kind == "text":
                parts.append(f"<p>{html.escape(content)}</p>")
            else:
                heads, rows = content
                head = "".join(f"<th scope='col'>{html.escape(name)}</th>" for name in heads)
                body = "".join("<tr>" + "".join(f"<td>{_html_cell(cell)}</td>" for cell in row) + "</tr>" for row in rows)
                parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
        return (
            "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
            "<meta name='viewport' content='width=device-width,initial-scale=1'>"
            f"<title>{html.escape(self.title)}</title><style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
        )


def _escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", str(text)).replace("\n", " ")


def _markdown_cell(cell: Any) -> str:  # noqa: ANN401 - text, code, or nothing
    if cell is None:
        return ""
    if isinstance(cell, Code):
        fence = "``" if "`" in cell.text else "`"
        # A bar ends a cell even within code (GitHub Flavored Markdown, 4.10).
        return f"{fence}{' '.join(cell.text.split())}{fence}".replace("|", r"\|")
    return _escape(str(cell))


def _html_cell(cell: Any) -> str:  # noqa: ANN401 - text, code, or nothing
    if cell is None:
        return ""
    return f"<code>{html.escape(cell.text)}</code>" if isinstance(cell, Code) else html.escape(str(cell))


def render_policy(record: JsonObject) -> Page:
    """A version of a policy, to be read by whoever is held to it."""
    policy = record["document"]
    page = Page(f"{policy.get('title') or policy['name']} (version {record['number']}, {record['status']})")
    page.text(policy.get("description"))
    match = policy["match"]
    about = [("asked at", ", ".join(match["gates"]))]
    about += [(name, ", ".join(match[name])) for name in ("targets", "models", "namespaces", "schemas") if match.get(name)]
    about += [("owner", policy["owner"])] if policy.get("owner") else []
    about.append(("an error in a rule", "refuses" if policy["failure"] == "deny" else "is passed over"))
    about.append(("digest", record["digest"]))
    page.table(("", ""), about)
    if policy.get("conditions"):
        page.heading("Applies only when")
        page.table(("condition", "expression"), [(entry["name"], Code(entry["expression"])) for entry in policy["conditions"]])
    if policy.get("params"):
        page.heading("Parameters")
        page.table(("name", "value"), [(name, Code(str(value))) for name, value in policy["params"].items()])
    page.heading("Rules")
    page.table(
        ("rule", "what is asked", "if not", "how to mend it", "source"),
        [
            (
                f"{rule['id']} ({rule.get('severity') or policy['severity']})",
                Code(rule["expression"]),
                f"{rule.get('effect') or policy['effect']}: {rule.get('message') or 'see the message expression'}",
                rule.get("remediation"),
                ", ".join([*([rule["source"]] if rule.get("source") else []), *rule.get("controls", ())]),
            )
            for rule in policy.get("rules", ())
        ],
    )
    if policy.get("approvals"):
        page.heading("Approvals")
        quorum = " and ".join(f"{entry['count']} {entry['role']}" for entry in policy["approvals"]["quorum"])
        signed = ", signed" if policy["approvals"]["signed"] else ""
        page.text(f"{quorum}{signed}; distinct people who had no hand in it; within {policy['approvals']['expires_days']} days.")
    return page


def render_verdict(record: JsonObject) -> Page:
    """A verdict, with what was not met first."""
    target = f":{record['target']}" if record["target"] else ""
    page = Page(f"{record['outcome']}: {record['gate']}{target} of {record['subject']['name']}")
    page.text(f"Asked by {record['by']['principal']} at {record.get('created_at', 'this moment')}.")
    if record["bypassed"]:
        page.text("Glass was broken: the action was carried out all the same.")
    failed = [(judged, entry) for judged in record["policies"] for entry in judged["failed"]]
    page.heading("Not met")
    page.table(
        ("policy", "rule", "effect", "why", "where", "how to mend it"),
        [
            (
                judged["policy"],
                entry["rule"],
                f"waived by {entry['waiver']}" if entry["waiver"] else entry["effect"],
                entry["message"],
                Code(entry["field"]) if entry["field"] else None,
                entry["remediation"],
            )
            for judged, entry in failed
        ],
    )
    if not failed:
        page.text("Nothing: every rule that was asked is met.")
    page.heading("Asked")
    page.table(
        ("policy", "version", "state", "rules", "digest"),
        [
            (judged["policy"], judged["version"], judged["state"], judged["rules"], judged["digest"])
            for judged in record["policies"]
        ],
    )
    page.text(f"The facts that were read have the digest {record['inputs']['digest']}.")
    return page


_SECTIONS: Final = (
    ("missing", "Missing"),
    ("met", "Met"),
    ("not checked", "Not checked by any rule"),
    ("not applicable", "Not applicable"),
)


def render_coverage(report: JsonObject) -> Page:
    """A coverage report: what is missing first, and who answers for it."""
    page = Page(f"{report['title']}: coverage of {report['subject']}")
    page.text(
        f"{report['met']} of {len(report['controls'])} controls are met, {report['missing']} are not. "
        f"As of {report['evaluated_at']}; the framework as of {report['retrieved']} ({report['version']})."
    )
    page.text(f"The model's owners: {', '.join(report['owners']) or 'none'}.")
    if report.get("versions"):
        page.heading("Versions")
        page.table(("version", "met", "missing"), [(row["version"], row["met"], row["missing"]) for row in report["versions"]])
    for status, title in (
        ("missing", "Missing"),
        ("met", "Met"),
        ("not checked", "Not checked by any rule"),
        ("not applicable", "Not applicable"),
    ):
        chosen = [control for control in report["controls"] if control["status"] == status]
        if not chosen:
            continue
        page.heading(title)
        page.table(
            ("control", "what it asks", "applies from", "answers for it", "evidence"),
            [
                (
                    f"{control['id']} {control['title']}",
                    control["demand"],
                    control["applies_from"],
                    control["owner"],
                    _evidence(control),
                )
                for control in chosen
            ],
        )
    return page


def _evidence(control: JsonObject) -> str:
    said = []
    for entry in control["rules"]:
        mend = f" — {entry['remediation']}" if entry["remediation"] else ""
        said.append(f"{entry['policy']}/{entry['rule']}: {entry['message'] or entry['status']}{mend}")
    return "; ".join(said) or ", ".join(control["evidence"])
