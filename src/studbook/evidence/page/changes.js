// What an event changed: the members of a record that differ between before and after, one row a value.

// What every record begins with; it stands above its history.
const HEADING = new Set(["/id", "/kind", "/name", "/namespace"]);

/** A JSON value as its scalars and empty containers by path, and the paths of what holds them. */
function flatten(value, path = [], flat = { leaves: new Map(), holders: new Set() }) {
  const members = value !== null && typeof value === "object" ? Object.entries(value) : [];
  if (members.length) flat.holders.add(pointer(path));
  else flat.leaves.set(pointer(path), { path, value });
  for (const [key, inner] of members) flatten(inner, [...path, key], flat);
  return flat;
}

/** The rows of a revision: path, and the value before and after (undefined where there is none), with what is known of each. */
function listChanges(revision) {
  const before = revision.before === null ? { leaves: new Map(), holders: new Set() } : flatten(revision.before);
  const after = flatten(revision.after);
  const rows = [];
  for (const place of new Set([...after.leaves.keys(), ...before.leaves.keys()])) {
    const [old, now] = [before.leaves.get(place), after.leaves.get(place)];
    const [oldState, nowState] = [stateOf(revision.personalBefore, place), stateOf(revision.personal, place)];
    const isSame = old && now && canonical(old.value) === canonical(now.value) && oldState === nowState;
    const isUnset = !old && now.value === null && !nowState;
    const isHeading = HEADING.has(place) && !old;
    // An empty list that gets members, or loses the last one, is told by these.
    const isHolder = typeof (now ?? old).value === "object" && (before.holders.has(place) || after.holders.has(place));
    if (isSame || isUnset || isHeading || isHolder) continue;
    rows.push({
      path: (now ?? old).path,
      before: old && { value: old.value, state: oldState },
      after: now && { value: now.value, state: nowState },
    });
  }
  return rows;
}

/** What is known of a personal value at a place, or above it: "disclosed", "erased", "withheld", or nothing for others. */
function stateOf(personal, place) {
  for (const [marked, state] of personal) if (place === marked || place.startsWith(`${marked}/`)) return state;
  return null;
}
