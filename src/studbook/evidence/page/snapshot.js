// Snapshots: that no revision of a subject was left out, up to the moment when the log took the snapshot.

/** Check the snapshot against its entry, and each history against the snapshot; how many entries of the log it covers. */
async function checkSnapshot(snapshot, entries, histories) {
  const entry = entries.find((candidate) => candidate.index === snapshot.entry);
  if (!entry || entry.body.action !== "log.snapshot") {
    fail(`entry ${snapshot.entry}, which should be the snapshot's, is not in the bundle or is no snapshot`);
  }
  const detail = asObject(entry.body.detail, "the detail of the snapshot's entry");
  const root = asDigest(member(detail, "root"), "the root of the snapshot");
  const upto = BigInt(asCount(member(detail, "upto"), "the reach of the snapshot"));
  if (BigInt(asCount(member(detail, "subjects"), "the size of the snapshot")) !== snapshot.size) {
    fail("snapshot.json tells of another number of subjects than the snapshot's entry");
  }
  if (upto > snapshot.entry) fail("the snapshot claims to cover entries that came after it");
  for (const leaf of snapshot.leaves) {
    const history = histories.find((candidate) => candidate.id === leaf.subject);
    if (!history) fail("the snapshot has a leaf of a subject that the manifest does not name");
    const told = canonical({ head: leaf.head, rev: leaf.revision, subject_id: leaf.subject });
    try {
      const rootBytes = Uint8Array.from(root.match(/../g), (digits) => parseInt(digits, 16));
      await verifyInclusion(await leafHash(encodeUtf8(told)), leaf.index, snapshot.size, leaf.path, rootBytes);
    } catch (error) {
      if (error instanceof Fault) fail(`the leaf of ${history.name} does not stand in the snapshot: ${error.message}`);
      throw error;
    }
  }
  for (const history of histories)
    checkReach(
      history,
      snapshot.leaves.find((leaf) => leaf.subject === history.id),
      upto,
    );
  return upto;
}

/** That the revisions before the snapshot are those up to the leaf's, and all later ones came after it. */
function checkReach(history, leaf, upto) {
  const { name, entries } = history;
  const [first, last] = [entries[0], entries[entries.length - 1]];
  if (!leaf) {
    if (first.revision > 1 || first.index < upto)
      fail(`${name} was in the log when the snapshot was taken, and its leaf is missing`);
    return;
  }
  if (leaf.revision < first.revision - 1 || leaf.revision > last.revision) {
    const shown = `revisions ${first.revision} to ${last.revision}`;
    fail(`the snapshot knows ${name} at revision ${leaf.revision}, and the bundle shows ${shown} only: some were left out`);
  }
  const at = leaf.revision - first.revision;
  if (at >= 0 && entries[at].index >= upto) fail(`the snapshot knows a revision of ${name} that came after it`);
  if ((at < 0 ? first.previous : entries[at].leaf) !== leaf.head) {
    fail(`the snapshot knows another entry as revision ${leaf.revision} of ${name}`);
  }
  if (at + 1 < entries.length && entries[at + 1].index < upto) {
    fail(`the snapshot passes over revision ${entries[at + 1].revision} of ${name}`);
  }
}
