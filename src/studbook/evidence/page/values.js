// Values beside the log: personal ones open their commitments, those outside an entry have the digest that it names.

const COMMITMENT_DOMAIN = encodeUtf8("studbook/commitment/v1\0");
const SALT_BYTES = 32;

const placeKey = (event, place) => `${event} ${place}`;

/** Check every disclosed value against the entries; they are given by event id. */
async function checkValues(bundle, entries) {
  const personal = new Map();
  for (const value of bundle.personal) {
    const commitment = markOf(entries, value, "private", "a personal value");
    if (value.salt.length !== SALT_BYTES) fail(`the salt of a personal value has not ${SALT_BYTES} bytes`);
    if (toBase64url(await sha256(concat(COMMITMENT_DOMAIN, value.salt, value.bytes))) !== commitment) {
      fail(`the personal value at ${value.pointer} of entry ${entries.get(value.event).index} is not the one committed to`);
    }
    addValue(personal, value);
  }
  const outside = new Map();
  const byDigest = new Map();
  for (const value of bundle.outside) {
    const mark = markOf(entries, value, "detached", "a detached value");
    const digest = `sha256:${toHex(await sha256(value.bytes))}`;
    if (mark.digest !== digest || mark.size !== value.bytes.length) {
      fail(`the detached value at ${value.pointer} of entry ${entries.get(value.event).index} has another digest than it says`);
    }
    addValue(outside, value);
    byDigest.set(digest, value.value);
  }
  const committed = [...entries.values()].flatMap((entry) =>
    Object.keys(entry.body.private)
      .filter((place) => place.startsWith("/after/"))
      .map((place) => placeKey(entry.id, place)),
  );
  const missing = committed.filter((key) => !personal.has(key));
  const told = listErased(entries.values());
  const erased = new Set(missing.filter((key) => told.has(key)));
  return { personal, outside, byDigest, erased, withheld: new Set(missing.filter((key) => !told.has(key))) };
}

function markOf(entries, value, name, what) {
  const entry = entries.get(value.event);
  if (!entry) fail(`${what} is disclosed of the event ${value.event}, which is not in the bundle`);
  const mark = member(entry.body[name], value.pointer);
  if (mark === undefined)
    fail(`${what} is disclosed at '${value.pointer.slice(0, 80)}' of entry ${entry.index}, which has none there`);
  return mark;
}

function addValue(known, value) {
  const key = placeKey(value.event, value.pointer);
  if (known.has(key)) fail(`the value at '${value.pointer.slice(0, 80)}' of event ${value.event} is disclosed twice`);
  known.set(key, value.value);
}

function listErased(entries) {
  const erased = new Set();
  for (const entry of entries) {
    if (entry.body.action !== "privacy.erased") continue;
    const what = `the list of what entry ${entry.index} says was erased`;
    for (const item of asList(member(asObject(entry.body.detail, `the detail of entry ${entry.index}`), "values"), what)) {
      asObject(item, what);
      erased.add(placeKey(asUuid(member(item, "event"), what), asText(member(item, "pointer"), what)));
    }
  }
  return erased;
}
