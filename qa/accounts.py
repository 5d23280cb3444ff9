"""Who may use a server: a file of names and password hashes, one `user:hash` a line.

Passwords are kept as scrypt (RFC 7914; hashlib's), with the parameters that OWASP recommends and a salt
for each. `qa password USER` prints a line; blank lines and those that start with # are passed over.
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from hashlib import scrypt
from pathlib import Path
from secrets import token_bytes

from qa.errors import QAError

N, R, P = 2**15, 8, 3  # 32 MiB and about a quarter of a second
MEMORY = 64 * 2**20  # bytes that one check may take
MEND = "make a line with: qa password USER >> FILE"


class Accounts:
    """Names with their password hashes. Threads may share it.

    A password that was right is remembered, keyed with a secret of this process, so that not every
    request costs a scrypt; a wrong one costs it every time.
    """

    def __init__(self, hashes: dict[str, str]) -> None:
        self._hashes = hashes
        self._secret = token_bytes(32)
        self._right: dict[str, bytes] = {}
        self._nobody = hashed(token_bytes(16).hex())  # an unknown name takes as long as a wrong password

    @classmethod
    def read(cls, path: Path) -> Accounts:
        """Raises `QAError` where the file cannot be read, has no account, or a line is none."""
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise QAError(f"The accounts in {path} cannot be read ({error}); {MEND}") from None
        hashes: dict[str, str] = {}
        for number, line in enumerate(lines, start=1):
            if not line.strip() or line.startswith("#"):
                continue
            user, _, digest = line.strip().partition(":")
            if not user or user in hashes or not _is_hash(digest):
                raise QAError(
                    f"{path}, line {number} is no account, or one that is there already; expected "
                    f"user:scrypt$…, each user once; {MEND}"
                )
            hashes[user] = digest
        if not hashes:
            raise QAError(f"{path} holds no account; {MEND}")
        return cls(hashes)

    def remembers(self, user: str, password: str) -> bool:
        """Whether this name and password were right before. Takes no time."""
        return hmac.compare_digest(self._right.get(user, b""), self._key(user, password))

    def admit(self, user: str, password: str) -> bool:
        """Whether this is an account's name and password. Takes about a quarter of a second."""
        right = _matches(password, self._hashes.get(user, self._nobody)) and user in self._hashes
        if right:
            self._right[user] = self._key(user, password)
        return right

    def _key(self, user: str, password: str) -> bytes:
        return hmac.digest(self._secret, f"{user}\0{password}".encode("utf-8", "replace"), "sha256")


def hashed(password: str) -> str:
    """The password's hash as the file holds it: scrypt$N$r$p$salt$hash, in base64."""
    salt = token_bytes(16)
    return "$".join(
        ["scrypt", str(N), str(R), str(P), *map(_encoded, (salt, _scrypt(password, salt, N, R, P)))]
    )


def _matches(password: str, digest: str) -> bool:
    _, n, r, p, salt, expected = digest.split("$")
    return hmac.compare_digest(
        _scrypt(password, b64decode(salt), int(n), int(r), int(p)), b64decode(expected)
    )


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return scrypt(password.encode("utf-8", "replace"), salt=salt, n=n, r=r, p=p, maxmem=MEMORY, dklen=32)


def _encoded(value: bytes) -> str:
    return b64encode(value).decode()


def _is_hash(digest: str) -> bool:
    try:
        kind, *_ = digest.split("$")
        _matches("", digest)  # the parameters can be worked with
    except (ValueError, TypeError, OverflowError):
        return False
    return kind == "scrypt"
