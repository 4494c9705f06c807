"""A signer's certificate: whether it leads to a root that the verifier trusts, and may be used for signing.

Source: RFC 5280, sections 4.2.1.3, 4.2.1.12 and 6. A bundle bears no time that could be trusted without a network, so a chain is
judged at the moment from which its first certificate is valid, as model-signing does; whether it is valid today is told beside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

from studbook.signing.errors import SigningError
from studbook.signing.keys import check_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric import ec

# Whatever the reading of a certificate from a stranger may end in.
_FAULTS: Final = (
    ValueError,
    VerificationError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


def read_certificates(pem: bytes) -> list[x509.Certificate]:
    """The certificates in a PEM text, of which there is at least one. Raises SigningError."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except _FAULTS as error:
        message = f"the certificates cannot be read as PEM: {error}"
        raise SigningError(message) from None


def verify_chain(chain: Sequence[bytes], roots: Sequence[x509.Certificate]) -> tuple[x509.Certificate, x509.Certificate]:
    """The signer's certificate, first of the chain in DER, and the root that it leads to, if it does and is for signing.

    Raises SigningError.
    """
    try:
        signer, *between = [x509.load_der_x509_certificate(der) for der in chain]
        verifier = (
            PolicyBuilder()
            .store(Store(list(roots)))
            .time(signer.not_valid_before_utc)
            .extension_policies(ee_policy=ExtensionPolicy.permit_all(), ca_policy=ExtensionPolicy.webpki_defaults_ca())
            .build_client_verifier()
        )
        root = verifier.verify(signer, between).chain[-1]
        fit = _is_for_signing(signer)
    except _FAULTS as error:
        message = f"the signer's certificate does not lead to a root that was given: {str(error)[:200]}"
        raise SigningError(message) from None
    if not fit:
        message = "the signer's certificate is not for signing; its usage must say digitalSignature or codeSigning"
        raise SigningError(message)
    return signer, root


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """Whom a certificate is about: its alternative names (mail addresses, URIs), or else its subject. Raises SigningError."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [name.value for name in found if isinstance(name.value, str)]
        return tuple(names) or (certificate.subject.rfc4514_string(),)
    except x509.ExtensionNotFound:
        return (certificate.subject.rfc4514_string(),)
    except _FAULTS as error:
        message = f"the names in the signer's certificate cannot be read: {error}"
        raise SigningError(message) from None


def public_key_of(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    """The key that a certificate is for. Raises SigningError when it is of a kind that models are not signed with."""
    try:
        return check_key(certificate.public_key())
    except _FAULTS as error:
        message = f"the key in the signer's certificate cannot be read: {error}"
        raise SigningError(message) from None


def _is_for_signing(certificate: x509.Certificate) -> bool:
    extensions = certificate.extensions
    try:
        if extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature:
            return True
    except x509.ExtensionNotFound:
        pass
    try:
        return ExtendedKeyUsageOID.CODE_SIGNING in extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
