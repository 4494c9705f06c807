// The steps of verification, in their order. Each gives one or more sentences on what it found, or fails.

const plural = (number, noun) => (number === 1 ? `1 ${noun}` : `${number} ${noun}s`);

/** The steps that this bundle, checked with these keys, has to go through: name, title and what is done. */
function planOf(bundle, trust) {
  return [
    { title: "Files", run: checkFiles },
    { title: "Signature", run: checkSignature },
    ...(trust.policy && trust.policy.quorum !== NONE ? [{ title: "Witnesses", run: checkQuorum }] : []),
    { title: "Receipts", run: checkReceipts },
    { title: "Entries", run: readEntries },
    { title: "Chain of revisions", run: checkChains },
    { title: "Values beside the log", run: openValues },
    ...(bundle.snapshot ? [{ title: "Completeness", run: checkCompleteness }] : []),
    ...(bundle.files.has("checkpoint.prev") ? [{ title: "Growth of the log", run: checkGrowth }] : []),
  ];
}

async function checkFiles({ bundle }) {
  for (const [name, data] of bundle.files) {
    if (!bundle.digests.has(name)) fail(`the manifest does not name the file ${name}`);
    if (toHex(await sha256(data)) !== bundle.digests.get(name)) {
      fail(`the file ${name} is not the one that the manifest names: its digest differs`);
    }
  }
  for (const name of bundle.digests.keys()) {
    if (!bundle.files.has(name)) fail(`the manifest names the file ${name.slice(0, 80)}, and it is missing`);
  }
  return [`All ${bundle.files.size} files are those that the manifest names, by their SHA-256 digests.`];
}

/** A checkpoint, signed by a known key of that log: one that is named like it. */
async function openSigned(bytes, keys, origin) {
  if (!keys.some((key) => key.isSupported))
    fail("the given keys are of ML-DSA-44 alone, which this page cannot check; studbook can");
  const opened = await openNote(bytes, keys);
  const checkpoint = parseCheckpoint(opened.text);
  if (checkpoint.origin !== origin) fail(`the checkpoint is of the log ${checkpoint.origin}, not of ${origin}`);
  const logKeys = [...opened.verified.keys()].filter((key) => key.name === origin && key.type === ED25519);
  if (!logKeys.length) fail(`no known key of the log ${origin} has signed the checkpoint`);
  const witnesses = [...opened.verified].filter(([key]) => !logKeys.includes(key)).map(([key, time]) => ({ key, time }));
  return { ...checkpoint, logKeys, witnesses, verified: new Set(opened.verified.keys()) };
}

async function checkSignature(state) {
  const { bundle, trust } = state;
  state.signed = await openSigned(bundle.checkpoint, trust.keys, bundle.origin);
  if (state.signed.size !== bundle.size) fail("the checkpoint is of another size than the manifest says");
  const sentences = [`The log ${bundle.origin} has signed the checkpoint of its ${bundle.size} entries with the key you gave:`];
  sentences.push(...state.signed.logKeys.map((key) => ({ fingerprint: key.fingerprint })));
  if (!trust.policy && state.signed.witnesses.length) sentences.push(`Cosigned by ${listWitnesses(state.signed)}.`);
  return sentences;
}

function checkQuorum({ trust, signed }) {
  if (!isSatisfied(trust.policy, signed.verified)) {
    const unsupported = [...trust.policy.witnesses.values()].some((key) => !key.isSupported);
    const hint = unsupported ? " (this page cannot check cosignatures by ML-DSA-44; studbook can)" : "";
    fail(`the checkpoint lacks the cosignatures of the policy's quorum '${trust.policy.quorum}'${hint}`);
  }
  return [`The quorum '${trust.policy.quorum}' of the policy has cosigned the checkpoint: ${listWitnesses(signed)}.`];
}

function listWitnesses(signed) {
  return signed.witnesses
    .map(({ key, time }) => {
      const isTime = time > 0 && time <= 253402300799;
      return isTime ? `${key.name} (${new Date(time * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC)` : key.name;
    })
    .join(", ");
}

async function checkReceipts({ bundle, signed }) {
  if (!bundle.entries.size) fail("the bundle holds no entry");
  for (const index of bundle.proofs.keys())
    if (!bundle.entries.has(index)) fail(`of entry ${index} the bundle holds the receipt alone`);
  for (const [index, body] of bundle.entries) {
    if (!bundle.proofs.has(index)) fail(`of entry ${index} the bundle holds the entry alone`);
    const receipt = parseReceipt(bundle.proofs.get(index));
    if (receipt.index !== index) fail(`the receipt of entry ${index} is that of entry ${receipt.index}`);
    if (!isEqual(receipt.checkpoint, bundle.checkpoint)) {
      fail(`the receipt of entry ${index} is under another checkpoint than that of the bundle`);
    }
    try {
      await verifyInclusion(await leafHash(body), index, signed.size, receipt.proof, signed.root);
    } catch (error) {
      if (error instanceof Fault) fail(`entry ${index} is not proved to stand in the log: ${error.message}`);
      throw error;
    }
  }
  return [`Each of the ${bundle.entries.size} entries stands in the log at its index, under that checkpoint.`];
}

async function readEntries(state) {
  const { bundle } = state;
  state.entries = [];
  for (const [index, body] of bundle.entries) state.entries.push(await readEntry(index, body));
  if (new Set(state.entries.map((entry) => entry.id)).size !== state.entries.length) fail("two entries are of the same event");
  for (const entry of state.entries) {
    if (member(entry.body.after, "namespace") !== bundle.namespace) {
      fail(`entry ${entry.index} is of another namespace than the manifest says`);
    }
  }
  return ["Each entry is complete and in the one canonical form (RFC 8785)."];
}

async function checkChains(state) {
  const { bundle } = state;
  const apart = bundle.snapshot ? bundle.snapshot.entry : null;
  state.histories = await chainHistories(bundle.subjects, state.entries, apart, isFirstShard(bundle.origin, bundle.namespace));
  return state.histories.map(({ name, entries }) => {
    const [first, last] = [entries[0].revision, entries[entries.length - 1].revision];
    const told = first === last ? `revision ${first} is` : `revisions ${first} to ${last} are`;
    return `${name}: ${told} there without a gap, each following from the one before it.`;
  });
}

async function openValues(state) {
  const values = await checkValues(state.bundle, new Map(state.entries.map((entry) => [entry.id, entry])));
  state.values = values;
  state.histories = state.histories.map((history) => openHistory(history, values));
  const sentences = [];
  if (values.personal.size || values.erased.size || values.withheld.size) {
    const opened = `${plural(values.personal.size, "personal value")} disclosed, and what the log committed to`;
    sentences.push(`${opened}; ${values.withheld.size} not disclosed, ${values.erased.size} erased as the log says.`);
  }
  if (values.outside.size) {
    sentences.push(`${plural(values.outside.size, "value")} kept outside the entries, with the digests that they name.`);
  }
  return sentences.length ? sentences : ["No value stands outside the entries."];
}

async function checkCompleteness(state) {
  const upto = await checkSnapshot(state.bundle.snapshot, state.entries, state.histories);
  state.upto = upto;
  return state.histories.map(({ name, entries }) => {
    const later = entries.filter((entry) => entry.index >= upto).length;
    const vouching = `as its snapshot in entry ${state.bundle.snapshot.entry} shows`;
    const told = `${name}: complete up to entry ${upto} of the log, ${vouching}`;
    return later ? `${told}; ${plural(later, "later revision")} shown.` : `${told}.`;
  });
}

/** That the log continues an earlier checkpoint: the proof is the body of a tlog-witness add-checkpoint request. */
async function checkGrowth({ bundle, trust, signed }) {
  const { lines, below } = splitAtBlank(bundle.files.get("consistency"), "the consistency proof");
  const [first, ...proof] = lines;
  if (!first.startsWith("old ")) fail("the consistency proof begins with the line 'old SIZE'");
  if (!isEqual(below, bundle.checkpoint)) fail("the consistency proof leads to another checkpoint than that of the bundle");
  let earlier;
  try {
    earlier = await openSigned(bundle.files.get("checkpoint.prev"), trust.keys, signed.origin);
  } catch (error) {
    if (error instanceof Fault) fail(`the earlier checkpoint does not verify: ${error.message}`);
    throw error;
  }
  if (parseDecimal(first.slice(4), "the old size") !== earlier.size) {
    fail("the consistency proof begins at another size than that of the earlier checkpoint");
  }
  await verifyConsistency(earlier.size, earlier.root, signed.size, signed.root, parseHashes(proof, "the consistency proof"));
  return [`The log continues its earlier checkpoint of ${earlier.size} entries: nothing in it was changed since.`];
}

/** What a verified bundle leaves open. */
function listNotes({ bundle, trust, signed, histories, values, upto }) {
  const notes = [];
  if (!trust.policy && !signed.witnesses.length) {
    notes.push("No witness was asked for: that the log shows everybody the same is the word of the log alone.");
  } else if (trust.policy && trust.policy.quorum === NONE) {
    notes.push("The policy asks for no witness: that the log shows everybody the same is the word of the log alone.");
  }
  if (upto === undefined) {
    notes.push("There is no snapshot in the bundle: it does not show that the newest revisions were not left out.");
  } else if (upto < bundle.size) {
    notes.push(`After entry ${upto} of the log there may be revisions that the bundle leaves out; a later snapshot would tell.`);
  }
  for (const { name, entries } of histories) {
    if (entries[0].revision !== 1) {
      notes.push(
        `${name} begins here with revision ${entries[0].revision}; an earlier log of the namespace has what was before.`,
      );
    }
  }
  if (values.withheld.size) {
    notes.push(`${plural(values.withheld.size, "personal value")} not disclosed to whoever got this bundle.`);
  }
  return notes;
}
