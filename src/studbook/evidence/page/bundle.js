// The parts of a bundle (studbook-evidence/v1), read from its zip. Nothing is verified here.

const FORMAT = "studbook-evidence/v1";
const NEEDED = ["manifest.json", "checkpoint", "policy", "disclosures.json"];
const OPTIONAL = ["checkpoint.prev", "consistency", "snapshot.json", "verify.html", "README.txt"];
const ENTRY_LIMIT = 65535;

async function readBundle(bytes) {
  const files = await readArchive(bytes);
  for (const name of NEEDED) if (!files.has(name)) fail(`the bundle lacks the file ${name}`);
  const { entries, proofs } = sortFiles(files);
  const manifest = readJson(files.get("manifest.json"), "manifest.json");
  if (manifest === null || manifest.format !== FORMAT) fail(`the bundle is not of the format ${FORMAT}`);
  asObject(manifest, "manifest.json", ["format", "namespace", "origin", "size", "subjects", "files"]);
  if (files.has("checkpoint.prev") !== files.has("consistency")) {
    fail("of checkpoint.prev and consistency the bundle holds only one, and they go together");
  }
  const digests = Object.entries(asObject(manifest.files, "the manifest's list of files"));
  const given = {
    namespace: asText(manifest.namespace, "the manifest's namespace"),
    origin: asText(manifest.origin, "the manifest's origin"),
    size: BigInt(asCount(manifest.size, "the manifest's size")),
    subjects: readSubjects(manifest.subjects),
    digests: new Map(
      digests.map(([name, digest]) => [name, asHexDigest(digest, `the manifest's digest of '${name.slice(0, 80)}'`)]),
    ),
    ...readDisclosures(readJson(files.get("disclosures.json"), "disclosures.json")),
    snapshot: files.has("snapshot.json") ? readSnapshot(readJson(files.get("snapshot.json"), "snapshot.json")) : null,
  };
  files.delete("manifest.json");
  return { ...given, files, entries, proofs, checkpoint: files.get("checkpoint") };
}

/** Entries and proofs by index; whatever no bundle has is refused. */
function sortFiles(files) {
  const [entries, proofs] = [new Map(), new Map()];
  for (const [name, data] of files) {
    if (NEEDED.includes(name) || OPTIONAL.includes(name)) continue;
    const match = /^(?:entries\/(\d+)\.json|proofs\/(\d+)\.tlog-proof)$/.exec(name);
    const digits = match ? (match[1] ?? match[2]) : "";
    if (!/^(0|[1-9][0-9]{0,18})$/.test(digits) || BigInt(digits) > SIZE_LIMIT) {
      fail(`the bundle holds the file ${name}, which no evidence bundle has`);
    }
    if (match[1] !== undefined && data.length > ENTRY_LIMIT) fail(`the file ${name} is larger than an entry can be`);
    (match[1] === undefined ? proofs : entries).set(BigInt(digits), data);
  }
  return { entries: new Map([...entries].sort(([first], [second]) => (first < second ? -1 : 1))), proofs };
}

function readSubjects(value) {
  const subjects = asList(value, "the manifest's list of subjects").map((item) => {
    asObject(item, "a subject of the manifest", ["id", "name"]);
    return { id: asUuid(item.id, "a subject's id"), name: asText(item.name, "a subject's name") };
  });
  if (!subjects.length) fail("the manifest names no subject");
  if (new Set(subjects.map((subject) => subject.id)).size !== subjects.length) fail("the manifest names a subject twice");
  return subjects;
}

function readDisclosures(value) {
  asObject(value, "disclosures.json", ["personal", "detached"]);
  const personal = asList(value.personal, "the list of personal values").map((item) => {
    asObject(item, "a personal value", ["event", "pointer", "salt", "value"]);
    const what = "the salt of a personal value";
    return { ...readDisclosed(item), salt: fromBase64url(asText(item.salt, what), what) };
  });
  const outside = asList(value.detached, "the list of detached values").map((item) => {
    asObject(item, "a detached value", ["event", "pointer", "value"]);
    return readDisclosed(item);
  });
  return { personal, outside };
}

function readDisclosed(item) {
  const bytes = encodeUtf8(asText(item.value, "a disclosed value"));
  return {
    event: asUuid(item.event, "the event of a disclosed value"),
    pointer: asText(item.pointer, "the place of a disclosed value"),
    bytes,
    value: readJson(bytes, "a disclosed value"),
  };
}

function readSnapshot(value) {
  asObject(value, "snapshot.json", ["entry", "size", "leaves"]);
  const leaves = asList(value.leaves, "the leaves of the snapshot").map((leaf) => {
    asObject(leaf, "a leaf of the snapshot", ["subject_id", "rev", "head", "index", "path"]);
    const path = asList(leaf.path, "the path of a snapshot's leaf").map((step) => asText(step, "a hash of a snapshot's path"));
    return {
      subject: asUuid(leaf.subject_id, "the subject of a snapshot's leaf"),
      revision: asCount(leaf.rev, "the revision of a snapshot's leaf"),
      head: asHexDigest(leaf.head, "the head of a snapshot's leaf"),
      index: BigInt(asCount(leaf.index, "the index of a snapshot's leaf")),
      path: parseHashes(path, "the path of a snapshot's leaf"),
    };
  });
  if (new Set(leaves.map((leaf) => leaf.subject)).size !== leaves.length) fail("the snapshot has two leaves of the same subject");
  return {
    entry: BigInt(asCount(value.entry, "the index of the snapshot's entry")),
    size: BigInt(asCount(value.size, "the size of the snapshot")),
    leaves,
  };
}
