// A plain view: the models, the versions of one, and one version with its lineage. The address holds the whole view.
const API = "/api/v1/namespaces/default";

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined).map((child) => child instanceof Node ? child : String(child)));
  return made;
}

async function read(path) {
  const response = await fetch(API + path);
  if (response.status === 401) {
    location.replace("/login");
    throw new Error("not logged in");
  }
  const body = await response.json();
  if (!response.ok) {
    throw new Error(body.detail);
  }
  return body;
}

function table(head, rows) {
  return element(
    "table", {},
    element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell))))),
  );
}

// A resource name is percent-encoded inside; people read it decoded.
const link = (name) => element("a", { href: `#/${name}` }, decodeURIComponent(name));
const time = (text) => text.slice(0, 16).replace("T", " ");
const number = (value) => Number.isInteger(value) ? String(value) : value.toPrecision(5);

async function showModels() {
  const page = await read("/models?page_size=1000");
  if (page.items.length === 0) {
    return [element("h2", {}, "Models"), element("p", {}, "Nothing is registered yet. Try ", element("code", {}, "studbook ingest record.yaml"), ".")];
  }
  const rows = page.items.map((model) => [
    link(model.name), model.latest_version ?? "–", Object.entries(model.aliases).map(([alias, to]) => `${alias} → ${to}`).join(", "), model.description ?? "",
  ]);
  const more = page.next_page_token ? element("p", { class: "faint" }, "Only the first 1000 are shown.") : null;
  return [element("h2", {}, "Models"), table(["name", "latest", "aliases", "description"], rows), more];
}

async function showModel(name) {
  const page = await read(`/${name}/versions?page_size=200`);
  const rows = page.items.map((version) => [
    link(version.name),
    time(version.created_at),
    version.metrics.slice(0, 4).map((metric) => `${metric.name} ${number(metric.value)}`).join(", "),
    version.parents.map((parent) => `${parent.relation} ${parent.name}`).join(", "),
    version.aliases.join(", "),
  ]);
  const more = page.next_page_token ? element("p", { class: "faint" }, "Only the newest 200 are shown.") : null;
  return [element("h2", {}, decodeURIComponent(name)), table(["version", "registered", "metrics", "from", "aliases"], rows), more];
}

function tree(lineage, upstream) {
  const next = new Map();
  for (const edge of lineage.edges) {
    const [from, to] = upstream ? [edge.target, edge.source] : [edge.source, edge.target];
    next.set(from, [...(next.get(from) ?? []), [to, edge.role ? `${edge.relation}, ${edge.role}` : edge.relation]]);
  }
  const seen = new Set();
  const branch = (name) => {
    const known = seen.has(name);
    seen.add(name);
    const below = known ? [] : next.get(name) ?? [];
    return below.length === 0 ? null : element("ul", { class: "tree" }, ...below.map(([to, label]) => element("li", {}, link(to), " ", element("span", { class: "faint" }, label), branch(to))));
  };
  return branch(lineage.root) ?? element("p", { class: "faint" }, "nothing");
}

async function showVersion(name) {
  const [version, lineage] = await Promise.all([read(`/${name}`), read(`/lineage/${name}?depth=5`)]);
  return [
    element("h2", {}, decodeURIComponent(version.name), " ", ...version.aliases.map((alias) => element("span", { class: "badge" }, alias))),
    element("p", {}, version.description ?? ""),
    element("p", { class: "faint" }, `registered ${time(version.created_at)}`),
    element("h2", {}, "Metrics"),
    table(["metric", "value", "dataset", "split", "slice"], version.metrics.map((metric) => [
      metric.name, number(metric.value), metric.dataset ? link(metric.dataset) : "", metric.split ?? "", metric.slice ? JSON.stringify(metric.slice) : "",
    ])),
    element("h2", {}, "Parameters"),
    table(["name", "value"], Object.entries(version.parameters).map(([key, value]) => [key, JSON.stringify(value)])),
    element("h2", {}, "Artifacts"),
    table(["uri", "digest", "bytes"], version.artifacts.map((item) => [item.uri, item.digest ?? "", item.size ?? ""])),
    element("h2", {}, "Where it comes from"),
    tree(lineage, true),
    element("h2", {}, "What came of it"),
    tree(lineage, false),
    lineage.truncated ? element("p", { class: "faint" }, "There is more than is shown here: studbook lineage --depth 100") : null,
  ];
}

async function showOther(name) {
  const record = await read(`/${name}`);
  const rows = Object.entries(record).map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]);
  return [element("h2", {}, decodeURIComponent(name)), table(["", ""], rows)];
}

async function render() {
  const name = location.hash.replace(/^#\//, "");
  document.getElementById("place").textContent = decodeURIComponent(name);
  const main = document.getElementById("main");
  try {
    const show = name === "" ? showModels() : /^models\/[^/]+$/.test(name) ? showModel(name) : /^models\/[^/]+\/versions\/[^/]+$/.test(name) ? showVersion(name) : showOther(name);
    main.replaceChildren(...(await show).filter((part) => part !== null));
  } catch (error) {
    main.replaceChildren(element("p", {}, error.message));
  }
}

addEventListener("hashchange", render);
render();
