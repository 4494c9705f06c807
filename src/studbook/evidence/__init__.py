"""Evidence bundles (`studbook-evidence/v1`): what a log says of some subjects, in a zip that is checked without the registry.

    manifest.json             format, namespace, origin and size of the checkpoint, subjects, SHA-256 of every other file
    checkpoint                signed and cosigned note (c2sp.org/tlog-checkpoint)
    policy                    c2sp.org/tlog-policy as the registry serves it; keys that come in a bundle prove nothing
    checkpoint.prev           optional: an earlier signed checkpoint of the log
    consistency               with it: the proof between the two, as the body of a tlog-witness add-checkpoint request
    entries/INDEX.json        the bytes that the log hashed
    proofs/INDEX.tlog-proof   the entry's receipt (c2sp.org/tlog-proof) under the same checkpoint
    disclosures.json          personal values with their salts, and values that stand outside their entries
    snapshot.json             optional: how far each subject had come when the log took a snapshot, with proofs
    verify.html, README.txt   a page that checks all of it in a browser

JSON is in RFC 8785 form throughout. Nothing here needs the registry, a database or the network.
"""
