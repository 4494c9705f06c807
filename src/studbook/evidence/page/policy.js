// Policies (c2sp.org/tlog-policy): whose signatures and cosignatures make a checkpoint valid.

const NONE = "none";

/** What a person pasted: verifier keys, one a line, or the text of a policy. */
async function parseTrust(text) {
  const lines = text.split("\n").map((line) => line.replace(/\r$/, "").trim());
  const told = lines.filter((line) => line && !line.startsWith("#"));
  if (!told.length) {
    fail("no key was given: those in the bundle prove nothing, so the log's key must come from elsewhere");
  }
  if (told.some((line) => /[ \t]/.test(line))) return parsePolicy(lines);
  const keys = [];
  for (const line of told) keys.push(await parseVkey(line));
  return { keys, policy: null };
}

async function parsePolicy(lines) {
  const reading = { logs: [], witnesses: new Map(), groups: new Map(), names: new Set(), members: new Set(), quorum: null };
  for (const [number, line] of lines.entries()) {
    if (!line || line.startsWith("#")) continue;
    try {
      await takeLine(reading, line.split(/[ \t]+/));
    } catch (error) {
      if (error instanceof Fault) fail(`line ${number + 1} of the policy: ${error.message}`);
      throw error;
    }
  }
  if (reading.quorum === null) fail("the policy has no quorum line; write 'quorum none' to need no witness");
  return { keys: [...reading.logs, ...reading.witnesses.values()], policy: reading };
}

async function takeLine(reading, [word, ...rest]) {
  if (word === "log" && rest.length >= 1 && rest.length <= 2) {
    reading.logs.push(await parsePolicyKey(rest[0], [ED25519, ML_DSA_44], reading.logs));
  } else if (word === "witness" && rest.length >= 2 && rest.length <= 3) {
    declare(reading, rest[0]);
    reading.witnesses.set(rest[0], await parsePolicyKey(rest[1], [COSIGNATURE, ML_DSA_44], [...reading.witnesses.values()]));
  } else if (word === "group" && rest.length >= 3) {
    const [name, threshold, ...members] = rest;
    for (const used of members) {
      if (!reading.names.has(used) || reading.members.has(used)) fail(`'${used}' is not defined above, or is a member already`);
      reading.members.add(used);
    }
    declare(reading, name);
    reading.groups.set(name, { threshold: parseThreshold(threshold, members.length), members });
  } else if (
    word === "quorum" &&
    rest.length === 1 &&
    reading.quorum === null &&
    (rest[0] === NONE || reading.names.has(rest[0]))
  ) {
    [reading.quorum] = rest;
  } else {
    fail("is not a log, a witness, a group of names above it, or the one quorum");
  }
}

function declare(reading, name) {
  if (name === NONE || reading.names.has(name)) fail(`the name '${name}' is taken`);
  reading.names.add(name);
}

async function parsePolicyKey(text, types, known) {
  const key = await parseVkey(text);
  if (!types.includes(key.type)) fail("the key is of another algorithm than this line takes");
  if (known.some((other) => isEqual(other.key, key.key))) fail("the same key stands there twice");
  return key;
}

function parseThreshold(text, count) {
  const named = { all: count, any: 1 };
  const threshold = Object.hasOwn(named, text) ? named[text] : /^[1-9][0-9]{0,3}$/.test(text) ? Number(text) : 0;
  return threshold >= 1 && threshold <= count ? threshold : fail(`a group of ${count} has no threshold '${text}'`);
}

/** Whether these keys make up the quorum of a policy. */
function isSatisfied(policy, verified) {
  const names = new Set([...policy.witnesses].filter(([, key]) => verified.has(key)).map(([name]) => name));
  for (const [name, group] of policy.groups) {
    if (group.members.filter((used) => names.has(used)).length >= group.threshold) names.add(name);
  }
  return policy.quorum === NONE || names.has(policy.quorum);
}
