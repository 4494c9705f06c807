// What is shown. Everything that comes out of a bundle is text: no markup is ever made of it.

const ROWS_SHOWN = 40;
const TEXT_SHOWN = 400;
const ICONS = {
  good: "M20 6 9 17l-5-5",
  bad: "M18 6 6 18M6 6l12 12",
  open: "M6 12h12",
};
const SPOKEN = { good: "Passed: ", bad: "Failed: ", open: "Not checked: " };

function make(tag, members = {}, ...children) {
  const element = Object.assign(document.createElement(tag), members);
  element.append(...children);
  return element;
}

function makeIcon(kind) {
  const [svg, path] = ["svg", "path"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  const look = { viewBox: "0 0 24 24", fill: "none", stroke: "currentColor", "stroke-width": "2.5", "stroke-linecap": "round" };
  for (const [name, value] of Object.entries({ ...look, "aria-hidden": "true" })) svg.setAttribute(name, value);
  path.setAttribute("d", ICONS[kind]);
  svg.append(path);
  return svg;
}

/** A fingerprint in groups of eight digits, which copies as one word. */
function makeFingerprint(digits) {
  return make("code", { className: "fingerprint" }, ...digits.match(/.{8}/g).map((group) => make("span", {}, group)));
}

function makeVerdict(kind, title, sentence) {
  const words = [make("h2", {}, title), ...(sentence ? [make("p", {}, sentence)] : [])];
  return make("div", { className: `verdict ${kind}` }, kind === "busy" ? "" : makeIcon(kind), ...words);
}

/** A step of the verification: "good", "bad" or "open", with sentences or fingerprints. */
function makeStep(kind, title, told) {
  const lines = told.map((line) => (typeof line === "string" ? make("p", {}, line) : makeFingerprint(line.fingerprint)));
  const head = make("b", {}, make("span", { className: "spoken" }, SPOKEN[kind]), title);
  return make("li", { className: kind }, makeIcon(kind), head, make("div", { className: "told" }, ...lines));
}

function makeNotes(notes) {
  if (!notes.length) return [];
  return [make("h3", {}, "What this bundle leaves open"), make("ul", {}, ...notes.map((note) => make("li", {}, note)))];
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function makeHistory({ id, name, revisions }) {
  const title = make("h2", { id: `history-${id}` }, name);
  const { after } = revisions[revisions.length - 1];
  const facts = [plainText(member(after, "kind")).replace(/_/g, " "), `namespace ${plainText(member(after, "namespace"))}`, id];
  const record = make("p", { className: "record" }, facts.join(" \u00b7 "));
  const card = make(
    "section",
    { className: "card" },
    title,
    record,
    make("ol", { className: "revisions" }, ...revisions.map(makeRevision)),
  );
  card.setAttribute("aria-labelledby", title.id);
  return card;
}

function makeRevision(revision) {
  const { body, index } = revision.entry;
  const words = body.action.replace(/[._]/g, " ");
  const title = make("h3", {}, capital(words), make("code", { className: "faint" }, body.action));
  const facts = [
    showTime(body.occurred_at),
    `by ${body.actor} (${body.authenticated_by})`,
    `revision ${body.rev}`,
    `entry ${index}`,
  ];
  const parts = [title, make("p", { className: "meta" }, facts.join(" \u00b7 ")), ...makeChanges(revision)];
  if (revision.edges.length) {
    parts.push(
      makeTable(
        "Lineage",
        ["From", "To", "How"],
        revision.edges.map((edge) =>
          makeRow(
            [
              make("span", {}, plainText(member(edge ?? {}, "source"))),
              make("span", {}, plainText(member(edge ?? {}, "target"))),
              make(
                "span",
                {},
                [member(edge ?? {}, "relation"), member(edge ?? {}, "role")].filter(Boolean).map(plainText).join(", "),
              ),
            ],
            ["", "to ", ""],
          ),
        ),
      ),
    );
  }
  if (body.detail !== null)
    parts.push(
      ...makeRows(
        "Detail",
        ["Member", "Value"],
        [...flatten(body.detail).leaves.values()].map(({ path, value }) =>
          makeRow([makePath(path, null), makeValue({ value, state: null })], ["", ""]),
        ),
      ),
    );
  parts.push(makeWhole("The whole record after this event", revision.after), makeWhole("The entry as it was logged", body));
  return make("li", {}, ...parts);
}

const showTime = (text) =>
  /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(text) ? `${text.slice(0, 10)} ${text.slice(11, 19)} UTC` : text;

const plainText = (value) => (typeof value === "string" ? value : JSON.stringify(value ?? null));

function makeChanges(revision) {
  const rows = listChanges(revision);
  if (revision.before === null) {
    const made = rows.map((row) => makeRow([makePath(row.path, row.after.state), makeValue(row.after)], ["", ""]));
    return makeRows("The record", ["Member", "Value"], made);
  }
  if (!rows.length) return [make("p", { className: "meta" }, "No member of the record changed.")];
  const made = rows.map((row) =>
    makeRow(
      [makePath(row.path, row.after?.state ?? row.before?.state), makeValue(row.before), makeValue(row.after)],
      ["", "before:", "after:"],
    ),
  );
  return makeRows("What changed", ["Member", "Before", "After"], made);
}

/** A table that shows its first rows, and the others when asked. */
function makeRows(caption, heads, rows) {
  const table = makeTable(caption, heads, rows.slice(0, ROWS_SHOWN));
  const rest = rows.slice(ROWS_SHOWN);
  if (!rest.length) return [table];
  const more = make("button", { type: "button", className: "quiet" }, `Show ${rest.length} more`);
  more.addEventListener("click", () => {
    table.tBodies[0].append(...rest);
    more.remove();
  });
  return [table, more];
}

function makeTable(caption, heads, rows) {
  // The roles are said outright, for on narrow screens the style makes blocks of all these.
  const cells = heads.map((text) => make("th", { scope: "col", role: "columnheader" }, text));
  const head = make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...cells));
  return make("table", { role: "table" }, make("caption", {}, caption), head, make("tbody", { role: "rowgroup" }, ...rows));
}

function makeRow([first, ...others], heads) {
  const cells = others.map((content, number) => {
    const cell = make("td", { dir: "auto", role: "cell" }, content);
    if (heads[number + 1]) cell.dataset.head = heads[number + 1];
    return cell;
  });
  return make("tr", { role: "row" }, make("th", { scope: "row", dir: "auto", role: "rowheader" }, first), ...cells);
}

function makePath(path, state) {
  const label = make("span", {}, path.join(" \u203a ") || "(all)");
  if (state) label.append(" ", make("span", { className: "chip" }, "personal"));
  return label;
}

function makeValue(shown) {
  if (!shown) return make("span", { className: "faint" }, "\u2014");
  if (shown.state === "erased" || shown.state === "withheld") {
    return make("span", { className: "chip" }, shown.state === "erased" ? "erased" : "not disclosed");
  }
  const text = plainText(shown.value);
  const cut =
    text.length > TEXT_SHOWN ? `${text.slice(0, TEXT_SHOWN)}\u2026 (${text.length.toLocaleString("en")} characters)` : text;
  return make("span", { className: typeof shown.value === "string" ? "" : "mono" }, cut);
}

/** A JSON value that is written out only when somebody opens it. */
function makeWhole(summary, value) {
  const details = make("details", {}, make("summary", {}, summary));
  details.addEventListener("toggle", () => details.append(make("pre", { tabIndex: 0 }, JSON.stringify(value, null, 2))), {
    once: true,
  });
  return details;
}
