// What an event changed: the members of a record that differ between before and after, one row a value.

/** A JSON value as its scalars (and empty containers) by path; a list's members count by their place. */
function flatten(value, path = [], flat = new Map()) {
  const members = value !== null && typeof value === "object" ? Object.entries(value) : [];
  if (!members.length) flat.set(pointer(path), { path, value });
  for (const [key, inner] of members) flatten(inner, [...path, key], flat);
  return flat;
}

/** The rows of a revision: path, and the value before and after (undefined where there is none), each with what is known of it. */
function listChanges(revision) {
  const before = revision.before === null ? new Map() : flatten(revision.before);
  const after = flatten(revision.after);
  const rows = [];
  for (const place of new Set([...after.keys(), ...before.keys()])) {
    const [old, now] = [before.get(place), after.get(place)];
    const [oldState, nowState] = [stateOf(revision.personalBefore, place), stateOf(revision.personal, place)];
    const isUnset = !old && now.value === null && !nowState;
    const isSame = old && now && canonical(old.value) === canonical(now.value) && oldState === nowState;
    if (isUnset || isSame) continue;
    rows.push({ path: (now ?? old).path, before: old && { value: old.value, state: oldState }, after: now && { value: now.value, state: nowState } });
  }
  return rows;
}

/** What is known of a personal value at a place, or above it: "disclosed", "erased", "withheld", or nothing for others. */
function stateOf(personal, place) {
  for (const [marked, state] of personal) if (place === marked || place.startsWith(`${marked}/`)) return state;
  return null;
}
