"""`studbook model …`: the digest of a model's folder, and signatures over it (OpenSSF model signing)."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studbook.cli import screen
from studbook.cli.audit_part import verifying_part
from studbook.cli.exits import Exit
from studbook.cli.faults import CommandError
from studbook.cli.options import AsJson, Reference, new_app
from studbook.cli.session import open_registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from studbook.signing.folders import Differences
    from studbook.signing.verifying import Signer, Verified

app = new_app("Digest a model's folder, sign it, and verify its signature (OpenSSF model signing).")

_Folder = Annotated[Path, typer.Argument(metavar="FOLDER", exists=True, file_okay=False, help="The model's folder.")]
_Signature = Annotated[
    Path | None, typer.Option("--signature", metavar="FILE", help="The signature.", show_default="FOLDER/model.sig")
]
_Ignored = Annotated[list[str] | None, typer.Option("--ignore", metavar="NAME", help="A file or folder in it to leave out.")]
_Links = Annotated[bool, typer.Option("--allow-symlinks", help="Read files that symbolic links lead to.")]
_PrivateKey = Annotated[
    Path, typer.Option("--key", metavar="FILE", exists=True, dir_okay=False, help="The private key (PEM; P-256, P-384 or P-521).")
]
_Password = Annotated[
    str | None, typer.Option(envvar="STUDBOOK_KEY_PASSWORD", show_envvar=True, help="The private key's password, if it has one.")
]
_PublicKey = Annotated[
    Path | None, typer.Option("--key", metavar="FILE", exists=True, dir_okay=False, help="The signer's public key (PEM).")
]
_Roots = Annotated[
    Path | None,
    typer.Option("--certificate", metavar="FILE", exists=True, dir_okay=False, help="Root certificates that you trust (PEM)."),
]


@app.command()
def digest(folder: _Folder, *, ignore: _Ignored = None, allow_symlinks: _Links = False, as_json: AsJson = False) -> None:
    """Print the digest of a folder, over all files in it but git's own."""
    with verifying_part():
        from studbook.signing.folders import digest_folder
    with told():
        manifest = digest_folder(folder, ignored=_names(ignore), allow_symlinks=allow_symlinks)
    if as_json:
        files = [{"name": resource.name, "digest": f"sha256:{resource.digest.hex()}"} for resource in manifest.resources]
        screen.write_json({"root_digest": f"sha256:{manifest.root_digest}", "files": files, "ignored": list(manifest.ignored)})
    else:
        screen.output().print(screen.styled(f"sha256:{manifest.root_digest}"))


@app.command()
def sign(
    folder: _Folder,
    key: _PrivateKey,
    *,
    signature: _Signature = None,
    password: _Password = None,
    ignore: _Ignored = None,
    allow_symlinks: _Links = False,
) -> None:
    """Sign a folder with a key; its public half verifies that, here or in any tool for OpenSSF model signing."""
    with verifying_part():
        from studbook.signing.folders import digest_folder, name_within
        from studbook.signing.keys import read_private_key
        from studbook.signing.verifying import sign_manifest
    path = signature or folder / "model.sig"
    with told():
        secret = read_private_key(key.read_bytes(), password.encode() if password else None)
        left_out = [*_names(ignore), *name_within(folder, path)]
        manifest = digest_folder(folder, ignored=left_out, allow_symlinks=allow_symlinks)
        bundle = sign_manifest(manifest, secret)
    path.write_bytes(bundle)
    screen.confirm((str(folder), screen.NAME), f" is signed: sha256:{manifest.root_digest} in {path}")


@app.command()
def verify(
    folder: _Folder, *, signature: _Signature = None, key: _PublicKey = None, certificate: _Roots = None, as_json: AsJson = False
) -> None:
    """Verify a signature, and the folder against what was signed; exit code 1 when either is not as it should be.

    A bundle's certificate is judged by the roots that are given, at the time from which it is valid. Entries of a
    transparency log in it are not looked at.
    """
    with verifying_part():
        from studbook.signing.folders import compare_folder
    path = signature or folder / "model.sig"
    _one_of(key, certificate)
    with told():
        verified = _verified(path.read_bytes(), key, certificate)
        differences = compare_folder(folder, verified.manifest, signature=path)
    if as_json:
        screen.write_json(_as_json(verified, differences))
    else:
        _show(folder, verified, differences)
    if differences:
        raise typer.Exit(Exit.REFUSED)


@app.command()
def attach(
    context: typer.Context,
    reference: Reference,
    signature: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="The signature.")],
    *,
    key: _PublicKey = None,
    certificate: _Roots = None,
    as_json: AsJson = False,
) -> None:
    """Have the registry verify a signature over a version's artifacts and record it with the version."""
    _one_of(key, certificate)
    with open_registry(context) as registry:
        version = registry.add_signature(
            reference,
            _text(signature),
            public_key=_text(key) if key else None,
            certificates=_text(certificate) if certificate else None,
        )
    if as_json:
        screen.write_json(version.raw)
    else:
        last = version.signatures[-1]
        screen.confirm((version.name, screen.NAME), f" is signed: {last.root_digest}, by the key {last.key}")


def _text(path: Path) -> str:
    # What is no text is refused by the registry, with its place.
    return path.read_bytes().decode(errors="replace")


def _one_of(key: Path | None, certificate: Path | None) -> None:
    if (key is None) == (certificate is None):
        message = "give either the signer's public key (--key) or the root certificates that you trust (--certificate)"
        raise CommandError(message, Exit.USAGE)


def _verified(bundle: bytes, key: Path | None, roots: Path | None) -> Verified:
    from studbook.signing.certificates import read_certificates
    from studbook.signing.keys import read_public_key
    from studbook.signing.verifying import verify_bundle

    return verify_bundle(
        bundle,
        key=read_public_key(key.read_bytes()) if key else None,
        roots=read_certificates(roots.read_bytes()) if roots else (),
    )


def _show(folder: Path, verified: Verified, differences: Differences) -> None:
    console = screen.output()
    console.print(screen.line(("✓ ", screen.GOOD), f"the signature is good, by {_who(verified.signer)}"))
    if verified.log_entries:
        console.print(screen.styled("  Its entries in a transparency log were not verified.", screen.QUIET))
    named = {"differs": differences.changed, "is missing": differences.missing, "was not signed": differences.extra}
    for said, names in named.items():
        for name in names:
            console.print(screen.line(("✗ ", screen.BAD), (name, screen.NAME), f" {said}"))
    if not differences:
        count = len(verified.manifest.resources)
        message = f"{folder} is what was signed: {count} files, sha256:{verified.manifest.root_digest}"
        console.print(screen.line(("✓ ", screen.GOOD), message))


def _who(signer: Signer) -> str:
    if signer.valid_from is None or signer.valid_until is None:
        return f"the key {signer.fingerprint}"
    period = f"valid from {signer.valid_from:%Y-%m-%d} until {signer.valid_until:%Y-%m-%d}"
    return f"{', '.join(signer.names)} (key {signer.fingerprint}, {period})"


def _as_json(verified: Verified, differences: Differences) -> dict[str, Any]:
    signer = verified.signer
    return {
        "signature": "good",
        "matches": not differences,
        "root_digest": f"sha256:{verified.manifest.root_digest}",
        "signer": {
            "fingerprint": signer.fingerprint,
            "certificate": signer.certificate,
            "names": list(signer.names),
            "valid_from": signer.valid_from.isoformat() if signer.valid_from else None,
            "valid_until": signer.valid_until.isoformat() if signer.valid_until else None,
        },
        "changed": list(differences.changed),
        "missing": list(differences.missing),
        "extra": list(differences.extra),
        "unverified_log_entries": verified.log_entries,
    }


def _names(ignored: list[str] | None) -> list[str]:
    return [name.rstrip("/") for name in ignored or ()]


@contextmanager
def told() -> Iterator[None]:
    """What is wrong with a key, a folder or a signature is told as any refusal is."""
    from studbook.signing.errors import SigningError

    try:
        yield
    except SigningError as error:
        raise CommandError(str(error)) from error
