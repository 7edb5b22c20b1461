"""Encrypts a workbook as Excel does: agile encryption with AES-256 and SHA-512 (MS-OFFCRYPTO, 2.3.4.10 and on)."""

import hmac
import secrets
import struct
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha512
from pathlib import Path
from typing import BinaryIO

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC

from report_operator.run.compound_file import CompoundFile, Tree

LARGEST_FILE = 2**31 - 32
"""Bytes of a workbook: encrypted it is a stream of a compound file, which has up to 2 GiB (MS-CFB, 2.6.3)."""

_SPINS = 100_000
_KEY, _BLOCK, _SALT = 32, 16, 16
_SEGMENT = 4096
_VERIFIER_INPUT, _VERIFIER_HASH, _KEY_VALUE, _HMAC_KEY, _HMAC_VALUE = map(
    bytes.fromhex,
    ("fea7d2763b4b9e79", "d7aa0f6d3061344e", "146e0be7abacd0d6", "5fb2ad010cb9e1f6", "a0677f02b22c8433"),
)
"""What makes of one secret the keys of several purposes (2.3.4.13, 2.3.4.14)."""

_DESCRIPTION = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\r\n'
    '<encryption xmlns="http://schemas.microsoft.com/office/2006/encryption"'
    ' xmlns:p="http://schemas.microsoft.com/office/2006/keyEncryptor/password">'
    "<keyData {cipher} saltValue={data_salt}/>"
    "<dataIntegrity encryptedHmacKey={hmac_key} encryptedHmacValue={hmac_value}/>"
    '<keyEncryptors><keyEncryptor uri="http://schemas.microsoft.com/office/2006/keyEncryptor/password">'
    '<p:encryptedKey spinCount="{spins}" {cipher} saltValue={password_salt} encryptedVerifierHashInput={verifier_input}'
    " encryptedVerifierHashValue={verifier_hash} encryptedKeyValue={key_value}/>"
    "</keyEncryptor></keyEncryptors></encryption>"
)
_CIPHER = (
    f'saltSize="{_SALT}" blockSize="{_BLOCK}" keyBits="{8 * _KEY}" hashSize="{sha512().digest_size}"'
    ' cipherAlgorithm="AES" cipherChaining="ChainingModeCBC" hashAlgorithm="SHA512"'
)


def encrypt(plain: Path, password: str, target: Path) -> None:
    """Write the file encrypted, in bounded memory; a password counts up to 255 UTF-16 units in Excel."""
    key, salt = secrets.token_bytes(_KEY), secrets.token_bytes(_SALT)
    integrity_key = secrets.token_bytes(sha512().digest_size)
    integrity = hmac.new(integrity_key, digestmod=sha512)
    with plain.open("rb") as source, target.open("wb") as file:
        container = CompoundFile(file)
        for part in _package(source, plain.stat().st_size, key, salt):
            container.write(part)
            integrity.update(part)
        description = _DESCRIPTION.format(
            cipher=_CIPHER,
            spins=_SPINS,
            data_salt=_text(salt),
            hmac_key=_text(_encrypted(integrity_key, key, _hash(salt, _HMAC_KEY))),
            hmac_value=_text(_encrypted(integrity.digest(), key, _hash(salt, _HMAC_VALUE))),
            **_locked(key, password),
        )
        container.finish("EncryptedPackage", _streams(description))


def _package(source: BinaryIO, size: int, key: bytes, salt: bytes) -> Iterator[bytes]:
    """Yield the size and then the encrypted segments, each with an initialization vector of its own (2.3.4.15)."""
    yield struct.pack("<Q", size)
    number = 0
    while segment := source.read(_SEGMENT):
        yield _encrypted(segment, key, _hash(salt, struct.pack("<I", number)))
        number += 1


def _locked(key: bytes, password: str) -> dict[str, str]:
    """Return the key as the password opens it, with what tells a right password from a wrong one (2.3.4.13)."""
    salt, verifier = secrets.token_bytes(_SALT), secrets.token_bytes(_SALT)
    spun = _hash(salt, password.encode("utf-16-le"))
    for spin in range(_SPINS):
        spun = _hash(struct.pack("<I", spin), spun)

    def locked(value: bytes, purpose: bytes) -> str:
        return _text(_encrypted(value, _hash(spun, purpose)[:_KEY], salt))

    return {
        "password_salt": _text(salt),
        "verifier_input": locked(verifier, _VERIFIER_INPUT),
        "verifier_hash": locked(sha512(verifier).digest(), _VERIFIER_HASH),
        "key_value": locked(key, _KEY_VALUE),
    }


def _streams(description: str) -> Tree:
    """Return what stands beside the encrypted package: the description, and what calls it one (2.1, 2.2, 2.3.4.10)."""
    ones = struct.pack("<3I", 1, 1, 1)
    transform = struct.pack("<I", 1) + _string("{FF9A3F03-56EF-4613-BDD5-5A41C1D07246}")
    header = (
        struct.pack("<I", 4 + len(transform)) + transform + _string("Microsoft.Container.EncryptionTransform") + ones
    )
    entry = struct.pack("<2I", 1, 0) + _string("EncryptedPackage") + _string("StrongEncryptionDataSpace")
    data_spaces: Tree = {
        "Version": _string("Microsoft.Container.DataSpaces") + ones,
        "DataSpaceMap": struct.pack("<3I", 8, 1, 4 + len(entry)) + entry,
        "DataSpaceInfo": {"StrongEncryptionDataSpace": struct.pack("<2I", 8, 1) + _string("StrongEncryptionTransform")},
        "TransformInfo": {"StrongEncryptionTransform": {"\x06Primary": header + struct.pack("<4I", 0, 0, 0, 4)}},
    }
    return {
        "EncryptionInfo": struct.pack("<2HI", 4, 4, 0x40) + description.encode(),
        "\x06DataSpaces": data_spaces,
    }


def _encrypted(value: bytes, key: bytes, vector: bytes) -> bytes:
    cipher = Cipher(AES256(key), CBC(vector[:_BLOCK])).encryptor()
    return cipher.update(value + bytes(-len(value) % _BLOCK)) + cipher.finalize()


def _hash(*parts: bytes) -> bytes:
    return sha512(b"".join(parts)).digest()


def _text(value: bytes) -> str:
    return f'"{b64encode(value).decode()}"'


def _string(text: str) -> bytes:
    """Return a length and UTF-16, filled to four bytes (UNICODE-LP-P4)."""
    encoded = text.encode("utf-16-le")
    return struct.pack("<I", len(encoded)) + encoded + bytes(-len(encoded) % 4)
