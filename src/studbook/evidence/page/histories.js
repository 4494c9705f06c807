// The history of each subject: its entries as a chain without gaps, and its record before and after each, with values in place.

/** Whether a log is the first of its namespace; later ones, opened when one was frozen, are numbered from 2. */
function isFirstShard(origin, namespace) {
  if (origin.slice(origin.lastIndexOf("/") + 1) === namespace) return true;
  const cut = origin.lastIndexOf("/");
  const last = origin.slice(cut + 1);
  if (
    cut >= 0 &&
    origin.slice(0, cut).endsWith(`/${namespace}`) &&
    /^[0-9]+$/.test(last) &&
    parseDecimal(last, "the shard") > 1n
  ) {
    return false;
  }
  return fail(`the log ${origin} is not one of the namespace ${namespace.slice(0, 80)}`);
}

async function chainHistories(subjects, entries, apart, isFirst) {
  const found = new Map(subjects.map((subject) => [subject.id, []]));
  for (const entry of entries) {
    if (found.has(entry.subject)) found.get(entry.subject).push(entry);
    else if (entry.index !== apart) fail(`entry ${entry.index} is of a subject that the manifest does not name`);
  }
  const histories = [];
  for (const { id, name } of subjects) {
    const chain = found.get(id).sort((first, second) => first.revision - second.revision);
    if (!chain.length) fail(`the bundle holds no entry of ${name}`);
    const last = chain[chain.length - 1].body.subject;
    if (last !== name) fail(`the manifest calls ${name} what the log calls ${last}`);
    if (isFirst && chain[0].revision !== 1) {
      fail(`the history of ${name} begins with revision ${chain[0].revision}: the first ones are missing`);
    }
    for (let at = 1; at < chain.length; at += 1) await checkStep(name, chain[at - 1], chain[at]);
    histories.push({ id, name, entries: chain });
  }
  return histories;
}

async function checkStep(name, earlier, later) {
  if (later.revision !== earlier.revision + 1) {
    fail(`the history of ${name} is not gapless: revision ${later.revision} comes after revision ${earlier.revision}`);
  }
  if (later.previous !== earlier.leaf) {
    fail(`revision ${later.revision} of ${name} does not follow from the entry of revision ${earlier.revision}`);
  }
  if (later.index <= earlier.index) {
    fail(`revision ${later.revision} of ${name} stands in the log before revision ${earlier.revision}`);
  }
  if (!(await isSameSide(sideOf(earlier.body, "after"), sideOf(later.body, "before")))) {
    fail(`revision ${later.revision} of ${name} shows the record before as revision ${earlier.revision} had not left it`);
  }
}

/** The record on one side of an event, with what stands for its personal values and for those outside, by place in the record. */
function sideOf(body, side) {
  const within = (marks) =>
    Object.fromEntries(
      Object.entries(marks)
        .filter(([place]) => place.startsWith(`/${side}/`))
        .map(([place, mark]) => [place.slice(side.length + 1), mark]),
    );
  return { record: body[side], private: within(body.private), detached: within(body.detached) };
}

/** Whether two sides show the same record, though other parts of it may stand outside. */
async function isSameSide(first, second) {
  if (canonical(first.private) !== canonical(second.private)) return false;
  const outside = [...new Set([...Object.keys(first.detached), ...Object.keys(second.detached)])];
  for (const place of outside) {
    const marks = [];
    for (const side of [first, second]) marks.push(member(side.detached, place) ?? (await markFor(findAt(side.record, place))));
    if (canonical(marks[0]) !== canonical(marks[1])) return false;
  }
  const [left, right] = [first, second].map((side) =>
    canonical(
      replaced(
        side.record,
        outside.map((place) => [place, null]),
      ),
    ),
  );
  return left === right;
}

async function markFor(value) {
  const bytes = encodeUtf8(canonical(value));
  return { digest: `sha256:${toHex(await sha256(bytes))}`, size: bytes.length };
}

/** The history with its records before and after each event, in which the disclosed values stand in their places. */
function openHistory(history, values) {
  const revisions = [];
  for (const entry of history.entries) {
    const earlier = revisions[revisions.length - 1];
    const whole = openEntry(entry, values);
    revisions.push({
      entry,
      // Before an event stands what the one before left; only the first shown has a record before of its own.
      before: earlier ? earlier.after : whole.before,
      after: whole.after,
      edges: whole.edges ?? [],
      personalBefore: earlier ? earlier.personal : personalOf(entry, values, "before"),
      personal: personalOf(entry, values, "after"),
    });
  }
  return { ...history, revisions };
}

function openEntry(entry, values) {
  const { body } = entry;
  const outside = [];
  for (const [place, mark] of Object.entries(body.detached)) {
    if (values.byDigest.has(mark.digest)) outside.push([place, values.byDigest.get(mark.digest)]);
    // What stood before belongs to an entry that may be in an earlier shard.
    else if (!place.startsWith("/before/"))
      fail(`the value at '${place.slice(0, 80)}' of entry ${entry.index} stands outside it and is not in the bundle`);
  }
  const personal = Object.keys(body.private)
    .filter((place) => values.personal.has(placeKey(entry.id, place)))
    .map((place) => [place, values.personal.get(placeKey(entry.id, place))]);
  // Detached parts come first: a personal value may lie within one.
  return replaced(replaced(body, outside), personal);
}

/** What is known of the personal values on one side: place in the record to "disclosed", "erased" or "withheld". */
function personalOf(entry, values, side) {
  const places = Object.keys(entry.body.private).filter((place) => place.startsWith(`/${side}/`));
  return new Map(
    places.map((place) => {
      const key = placeKey(entry.id, place);
      const state = values.personal.has(key) ? "disclosed" : values.erased.has(key) ? "erased" : "withheld";
      return [place.slice(side.length + 1), state];
    }),
  );
}
