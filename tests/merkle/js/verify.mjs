// Checks a log's checkpoint and inclusion proofs with @sigstore/verify, which verifies the public log of Sigstore: reads the
// log as JSON from its standard input, prints a verdict, and exits with 1 when it refuses the log.
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import checkpoints from "@sigstore/verify/dist/tlog/checkpoint.js";
import merkle from "@sigstore/verify/dist/tlog/merkle.js";

// What stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410).
const ED25519 = Buffer.from("302a300506032b6570032100", "hex");

function readVkey(vkey) {
  const [name, id, ...key] = vkey.split("+");
  const typed = Buffer.from(key.join("+"), "base64");
  return {
    baseURL: name,
    logID: Buffer.from(id, "hex"),
    publicKey: createPublicKey({ key: Buffer.concat([ED25519, typed.subarray(1)]), format: "der", type: "spki" }),
  };
}

function asEntry(log, proof) {
  return {
    canonicalizedBody: Buffer.from(log.entries[proof.index] ?? "", "base64"),
    inclusionProof: {
      checkpoint: { envelope: log.checkpoint },
      hashes: (proof.hashes ?? []).map((hash) => Buffer.from(hash, "base64")),
      logIndex: String(proof.index),
    },
  };
}

function verify(log) {
  const keys = [readVkey(log.vkey)];
  for (const proof of log.inclusion) {
    const entry = asEntry(log, proof);
    const checkpoint = checkpoints.verifyCheckpoint(entry, keys);
    if (checkpoint.origin !== log.origin) throw new Error(`another origin than ${log.origin}`);
    merkle.verifyMerkleInclusion(entry, checkpoint);
  }
}

const log = JSON.parse(readFileSync(0, "utf8"));
try {
  verify(log);
  console.log(`verified: ${log.inclusion.length} inclusion proofs`);
} catch (error) {
  console.log(`refused: ${error.message}`);
  process.exitCode = 1;
}
