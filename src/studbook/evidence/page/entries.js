// Entries, read with every member's type checked: what stands in a log is no reason to trust its form.

const MEMBERS = [
  "action",
  "actor",
  "after",
  "authenticated_by",
  "before",
  "detached",
  "detail",
  "edges",
  "id",
  "occurred_at",
  "prev",
  "private",
  "rev",
  "subject",
  "subject_id",
];
const EDGES = "/edges";

async function readEntry(index, bytes) {
  const what = `entry ${index}`;
  const body = asObject(readJson(bytes, what), what, MEMBERS);
  for (const name of ["action", "actor", "authenticated_by", "occurred_at", "subject"])
    asText(body[name], `'${name}' of ${what}`);
  for (const name of ["id", "subject_id"]) asUuid(body[name], `'${name}' of ${what}`);
  const previous = body.prev === null ? null : toHex(parseHash(asText(body.prev, `'prev' of ${what}`), `'prev' of ${what}`));
  asObject(body.after, `'after' of ${what}`);
  for (const [name, named] of [
    ["id", "subject_id"],
    ["name", "subject"],
  ]) {
    if (member(body.after, name) !== body[named]) fail(`${what} holds another record than that of its '${named}'`);
  }
  if (body.detail !== null) asObject(body.detail, `'detail' of ${what}`);
  const isFirst = asCount(body.rev, `'rev' of ${what}`) === 1;
  if (body.rev === 0 || (previous === null) !== isFirst || (body.before === null) !== isFirst) {
    fail(`${what} does not fit its revision: the first one alone has neither 'prev' nor 'before'`);
  }
  if (!isFirst) asObject(body.before, `'before' of ${what}`);
  checkMarks(body, what);
  const leaf = toHex(await leafHash(bytes));
  return { index, leaf, body, previous, id: body.id, subject: body.subject_id, revision: body.rev };
}

/** What stands for personal values and for those outside: each at a place of a record that the entry leaves null. */
function checkMarks(body, what) {
  for (const [place, commitment] of Object.entries(asObject(body.private, `'private' of ${what}`))) {
    const size = fromBase64url(asText(commitment, `a commitment of ${what}`), `a commitment of ${what}`).length;
    if (size !== HASH_SIZE) fail(`a commitment of ${what} has not ${HASH_SIZE} bytes`);
    checkPlace(body, place, what);
  }
  for (const [place, mark] of Object.entries(asObject(body.detached, `'detached' of ${what}`))) {
    asObject(mark, `the mark of a detached value of ${what}`, ["digest", "size"]);
    asDigest(mark.digest, `the digest of a detached value of ${what}`);
    asCount(mark.size, `the size of a detached value of ${what}`);
    if (place !== EDGES) checkPlace(body, place, what);
  }
  if (!Object.hasOwn(body.detached, EDGES)) asList(body.edges, `'edges' of ${what}`);
  else if (body.edges !== null) fail(`${what} shows a value at ${EDGES} that it says stands outside`);
}

function checkPlace(body, place, what) {
  if (!/^\/(before|after)\//.test(place)) fail(`${what} names a place outside its records: '${place.slice(0, 80)}'`);
  if (findAt(body, place) !== null) fail(`${what} shows a value at '${place.slice(0, 80)}' where it says that none is shown`);
}
