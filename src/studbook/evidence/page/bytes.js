// Bytes, their text forms, and SHA-256.

/** Something is malformed or does not verify; the message says in a sentence what. */
class Fault extends Error {}

function fail(sentence) {
  throw new Fault(sentence);
}

const encodeUtf8 = (text) => new TextEncoder().encode(text);

function decodeUtf8(bytes, what) {
  try {
    // A byte order mark is kept, so that it counts as what it is: a character too many.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return fail(`${what} is not UTF-8`);
  }
}

function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const isEqual = (first, second) => first.length === second.length && first.every((byte, at) => byte === second[at]);

const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

function toBase64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** Standard base64 in its one canonical form. */
function fromBase64(text, what) {
  let bytes;
  try {
    bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return fail(`${what} is not base64`);
  }
  return toBase64(bytes) === text ? bytes : fail(`${what} is not base64 in canonical form`);
}

const toBase64url = (bytes) => toBase64(bytes).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

/** Base64url without padding, in its one canonical form. */
function fromBase64url(text, what) {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) fail(`${what} is not base64url`);
  const padded = text.replace(/-/g, "+").replace(/_/g, "/") + "=".repeat((4 - (text.length % 4)) % 4);
  return fromBase64(padded, what);
}

const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
