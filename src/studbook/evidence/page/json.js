// JSON in its one canonical form (RFC 8785), and values of foreign origin with their types checked.

const DEPTH_LIMIT = 64;

/** The RFC 8785 text of a JSON value: ECMAScript's own numbers and strings, keys sorted by UTF-16 units. */
function canonical(value, depth = 0) {
  if (depth >= DEPTH_LIMIT) throw new RangeError("too deep");
  if (typeof value === "number" && !Number.isFinite(value)) throw new RangeError("not a number of JSON");
  if (typeof value === "string" && !value.isWellFormed()) throw new RangeError("half a character");
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((member) => canonical(member, depth + 1)).join(",")}]`;
  const members = Object.keys(value).sort();
  return `{${members.map((key) => `${canonical(key, depth + 1)}:${canonical(value[key], depth + 1)}`).join(",")}}`;
}

/** The value of canonical bytes. A key that stands twice, or a number that is rounded, makes other bytes than these. */
function readJson(bytes, what) {
  const text = decodeUtf8(bytes, what);
  let value;
  let rendered;
  try {
    value = JSON.parse(text);
    rendered = canonical(value);
  } catch {
    return fail(`${what} is not JSON, or nests too deep`);
  }
  return rendered === text ? value : fail(`${what} is not in canonical form (RFC 8785)`);
}

function asObject(value, what, members = null) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) fail(`${what} is not a JSON object`);
  if (members && Object.keys(value).sort().join() !== [...members].sort().join()) {
    fail(`${what} has not exactly the members ${[...members].sort().join(", ")}`);
  }
  return value;
}

const member = (object, name) => (Object.hasOwn(object, name) ? object[name] : undefined);

const asList = (value, what) => (Array.isArray(value) ? value : fail(`${what} is not a JSON list`));

const asText = (value, what) => (typeof value === "string" && value ? value : fail(`${what} is not a text`));

function asCount(value, what) {
  return Number.isSafeInteger(value) && value >= 0 ? value : fail(`${what} is not a whole number from 0 up`);
}

function asUuid(value, what) {
  const form = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/;
  return typeof value === "string" && form.test(value) ? value : fail(`${what} is not a UUID`);
}

function asHexDigest(value, what) {
  const isDigest = typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
  return isDigest ? value : fail(`${what} is not a SHA-256 digest in hexadecimal digits`);
}

/** The hexadecimal digits of a digest of the form sha256:HEX. */
function asDigest(value, what) {
  if (typeof value !== "string" || !value.startsWith("sha256:")) fail(`${what} is not a digest of the form sha256:HEX`);
  return asHexDigest(value.slice(7), what);
}

const steps = (place) =>
  place
    .split("/")
    .slice(1)
    .map((step) => step.replace(/~1/g, "/").replace(/~0/g, "~"));

const pointer = (path) => path.map((step) => `/${String(step).replace(/~/g, "~0").replace(/\//g, "~1")}`).join("");

/** Whether an object or a list has something at this step of a JSON Pointer. */
function has(value, step) {
  if (Array.isArray(value)) return /^[0-9]{1,9}$/.test(step) && Number(step) < value.length;
  return value !== null && typeof value === "object" && Object.hasOwn(value, step);
}

/** What stands at a JSON Pointer, or null when there is nothing. */
function findAt(value, place) {
  for (const step of steps(place)) {
    if (!has(value, step)) return null;
    value = value[step];
  }
  return value;
}

/** A copy of a JSON value with other values at these pointers; a place that is not there is passed over. */
function replaced(value, changes) {
  const result = structuredClone(value);
  for (const [place, replacement] of changes) {
    const way = steps(place);
    const last = way.pop();
    const parent = findAt(result, pointer(way));
    if (has(parent, last)) parent[last] = replacement;
  }
  return result;
}
