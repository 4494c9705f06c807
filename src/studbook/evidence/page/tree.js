// Trees (RFC 6962): hashes, checkpoints (c2sp.org/tlog-checkpoint), receipts (c2sp.org/tlog-proof), and the two kinds of proof as
// RFC 9162 verifies them (sections 2.1.3.2 and 2.1.4.2). Sizes and indexes are BigInt, for they go up to 2^63 - 1.

const HASH_SIZE = 32;
const PROOF_LIMIT = 63;
const SIZE_LIMIT = 2n ** 63n - 1n;
const RECEIPT_HEADER = "c2sp.org/tlog-proof@v1";

const leafHash = (entry) => sha256(concat(Uint8Array.of(0), entry));

const nodeHash = (left, right) => sha256(concat(Uint8Array.of(1), left, right));

function parseDecimal(text, what) {
  const isDecimal = /^(0|[1-9][0-9]{0,18})$/.test(text) && BigInt(text) <= SIZE_LIMIT;
  return isDecimal ? BigInt(text) : fail(`${what} is a decimal number without leading zeros, up to 2^63 - 1`);
}

function parseHash(text, what) {
  const value = fromBase64(text, what);
  return value.length === HASH_SIZE ? value : fail(`${what} has not ${HASH_SIZE} bytes`);
}

function parseCheckpoint(text) {
  const lines = text.split("\n");
  if (lines.length < 4 || lines.pop() !== "" || lines.some((line) => !line)) {
    fail("a checkpoint has three lines: origin, size and root hash");
  }
  const [origin, size, root] = lines;
  return { origin, size: parseDecimal(size, "the checkpoint's size"), root: parseHash(root, "the checkpoint's root hash") };
}

/** What stands above the first blank line, as lines of ASCII, and the bytes below it. */
function splitAtBlank(bytes, what) {
  const blank = bytes.findIndex((byte, at) => byte === 10 && bytes[at + 1] === 10);
  if (blank < 0) fail(`${what} holds no checkpoint`);
  const head = decodeUtf8(bytes.subarray(0, blank), what);
  if (/[^\x00-\x7f]/.test(head)) fail(`${what} is not ASCII text`);
  return { lines: head.split("\n"), below: bytes.subarray(blank + 2) };
}

function parseHashes(lines, what) {
  if (lines.length > PROOF_LIMIT) fail(`${what} is longer than any tree is high`);
  return lines.map((line) => parseHash(line, `a hash of ${what}`));
}

/** Read a receipt. Extra data is refused: nothing would vouch for it. */
function parseReceipt(bytes) {
  if (bytes.length > NOTE_LIMIT) fail("the receipt is too large");
  const { lines, below } = splitAtBlank(bytes, "the receipt");
  const [header, place, ...proof] = lines;
  if (header !== RECEIPT_HEADER) fail(`a receipt begins with the line '${RECEIPT_HEADER}'`);
  if (!place || !place.startsWith("index ")) fail("the receipt names no index");
  return {
    index: parseDecimal(place.slice(6), "the receipt's index"),
    proof: parseHashes(proof, "the receipt's proof"),
    checkpoint: below,
  };
}

async function verifyInclusion(leaf, index, size, proof, root) {
  if (index < 0n || index >= size) fail(`a tree of ${size} entries has none at index ${index}`);
  let [node, at, last] = [leaf, index, size - 1n];
  for (const sibling of proof) {
    if (last === 0n) fail("the inclusion proof is longer than the tree is high");
    if (at & 1n || at === last) {
      node = await nodeHash(sibling, node);
      while (at && !(at & 1n)) [at, last] = [at >> 1n, last >> 1n];
    } else {
      node = await nodeHash(node, sibling);
    }
    [at, last] = [at >> 1n, last >> 1n];
  }
  if (last) fail("the inclusion proof is shorter than the tree is high");
  if (!isEqual(node, root)) fail("the entry does not stand at that place of the tree: the proof leads to another root");
}

async function verifyConsistency(oldSize, oldRoot, newSize, newRoot, proof) {
  if (oldSize > newSize) fail(`a tree of ${newSize} entries does not follow one of ${oldSize}`);
  if (oldSize === 0n || oldSize === newSize) {
    if (proof.length) fail("the consistency proof should be empty");
    if (oldSize && !isEqual(oldRoot, newRoot)) fail(`two trees of ${newSize} entries have different roots`);
    return;
  }
  const path = (oldSize & (oldSize - 1n)) === 0n ? [oldRoot, ...proof] : [...proof];
  if (!path.length) fail("the consistency proof is empty");
  let [at, last] = [oldSize - 1n, newSize - 1n];
  while (at & 1n) [at, last] = [at >> 1n, last >> 1n];
  let [oldNode, newNode] = [path[0], path[0]];
  for (const sibling of path.slice(1)) {
    if (last === 0n) fail("the consistency proof is longer than the tree is high");
    if (at & 1n || at === last) {
      [oldNode, newNode] = [await nodeHash(sibling, oldNode), await nodeHash(sibling, newNode)];
      while (at && !(at & 1n)) [at, last] = [at >> 1n, last >> 1n];
    } else {
      newNode = await nodeHash(newNode, sibling);
    }
    [at, last] = [at >> 1n, last >> 1n];
  }
  if (last) fail("the consistency proof is shorter than the tree is high");
  if (!isEqual(oldNode, oldRoot) || !isEqual(newNode, newRoot)) {
    fail(`the tree of ${newSize} entries does not follow from the one of ${oldSize}`);
  }
}
