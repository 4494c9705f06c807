// Verifier keys and signed notes (c2sp.org/signed-note), with Ed25519 signatures of logs and cosignatures of witnesses.
// ML-DSA-44 is known by name only: WebCrypto has it in few browsers. Signatures with unknown keys are passed over.

const NOTE_LIMIT = 1000000;
const SIGNATURE_LIMIT = 100;
const ED25519 = 1;
const COSIGNATURE = 4;
const ML_DSA_44 = 6;
const KEY_SIZES = new Map([
  [ED25519, 32],
  [COSIGNATURE, 32],
  [ML_DSA_44, 1312],
]);
const DASH = "\u2014 ";
const FIELD = 2n ** 255n - 19n;
const GROUP_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
// Points of small order, by their y coordinate as it is written: under such a key many signatures fit many messages.
const SMALL_ORDER = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);

const littleEndian = (bytes) => BigInt(`0x${toHex(Uint8Array.from(bytes).reverse())}`);

const bigEndian = (bytes) => BigInt(`0x${toHex(bytes)}`);

function checkName(name) {
  if (!name || /[+\s\p{Z}\x1c-\x1f\x85]/u.test(name)) fail("a key's name is not empty and holds neither spaces nor '+'");
}

/** Read a verifier key: NAME+ID+KEY. */
async function parseVkey(text) {
  const [, name, id, encoded] = /^([^+]*)\+([^+]*)\+(.*)$/s.exec(text) || fail("a verifier key is NAME+ID+KEY");
  checkName(name);
  const typed = fromBase64(encoded, "the verifier key");
  const type = typed[0];
  if (!KEY_SIZES.has(type)) fail("the verifier key is of an algorithm that is not known here");
  if (typed.length !== 1 + KEY_SIZES.get(type)) fail("the verifier key has not the length of its algorithm");
  const named = await sha256(concat(encodeUtf8(`${name}\n`), typed));
  if (toHex(named.subarray(0, 4)) !== id) fail("the verifier key's id is not that of its name and key");
  const key = typed.slice(1);
  if (type !== ML_DSA_44) checkPoint(key);
  return { name, type, key, id, text, fingerprint: toHex(await sha256(typed)), isSupported: type !== ML_DSA_44 };
}

function checkPoint(key) {
  const y = Uint8Array.from(key);
  y[31] &= 0x7f;
  if (littleEndian(y) >= FIELD || SMALL_ORDER.has(toHex(y))) fail("the verifier key is no proper Ed25519 key");
}

/** Read a signed note; nothing is verified. */
function parseNote(bytes) {
  if (bytes.length > NOTE_LIMIT) fail("the note is too large");
  const whole = decodeUtf8(bytes, "the note");
  if (/[\x00-\x09\x0b-\x1f]/.test(whole)) fail("the note holds control characters");
  const blank = whole.lastIndexOf("\n\n");
  const below = whole.slice(blank + 2);
  if (blank < 0 || !below.endsWith("\n")) {
    fail("the note has no signatures: a blank line and signature lines are expected at its end");
  }
  const lines = below.slice(0, -1).split("\n");
  if (lines.length > SIGNATURE_LIMIT) fail("the note has too many signatures");
  return { text: whole.slice(0, blank + 1), signatures: lines.map(parseSignature) };
}

function parseSignature(line) {
  const [, name, encoded] = /^\u2014 ([^ ]*) (.*)$/.exec(line) || fail("a signature line is '\u2014 NAME SIGNATURE'");
  checkName(name);
  const value = fromBase64(encoded, "a signature");
  if (value.length <= 4) fail("a signature is too short");
  return { name, id: toHex(value.subarray(0, 4)), value: value.slice(4) };
}

async function isSigned(key, text, value) {
  const message = encodeUtf8(text);
  if (key.type === ED25519) return isEd25519(key.key, message, value);
  const head = encodeUtf8(`cosignature/v1\ntime ${value.length < 8 ? 0 : bigEndian(value.subarray(0, 8))}\n`);
  return isEd25519(key.key, concat(head, message), value.slice(8));
}

async function isEd25519(key, message, signature) {
  if (signature.length !== 64 || littleEndian(signature.subarray(32)) >= GROUP_ORDER) return false;
  let imported;
  try {
    imported = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
  } catch (error) {
    if (error.name === "NotSupportedError") fail("this browser cannot check Ed25519 signatures; a newer one can");
    return false;
  }
  return crypto.subtle.verify({ name: "Ed25519" }, imported, signature, message);
}

/** The note, and those of the known keys whose signatures under it verify; a wrong one of a known key is a fault. */
async function openNote(bytes, keys) {
  const note = parseNote(bytes);
  const verified = new Map();
  for (const signature of note.signatures) {
    const key = keys.find((known) => known.isSupported && known.name === signature.name && known.id === signature.id);
    if (!key) continue;
    if (!(await isSigned(key, note.text, signature.value))) fail(`the signature of ${key.name} does not verify`);
    const time = key.type === COSIGNATURE ? Number(bigEndian(signature.value.subarray(0, 8))) : null;
    if (!verified.has(key)) verified.set(key, time);
  }
  if (!verified.size) fail("no known key has signed the note");
  return { text: note.text, verified };
}
