"""What a file is known by: its content, its size, and its SHA-256, SHA-1 or MD5."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


def content_hash(file: str | Path) -> str:
    """BLAKE2b (128 bit) of the whole file, hexadecimal: by it collections and caches know a recording."""
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def sha256(file: str | Path) -> str:
    """SHA-256 of a file, as hexadecimal."""
    return digest(file, "sha256")


def digest(file: str | Path, algorithm: str) -> str:
    """A checksum of a file, as hexadecimal; `algorithm` as `hashlib` names it.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "empty"
    >>> file.touch()
    >>> digest(file, "md5")
    'd41d8cd98f00b204e9800998ecf8427e'
    """
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


@dataclass(frozen=True)
class Known:
    """What is known of a file before it is there; None and empty where nothing is.

    Attributes:
        sha256, md5, sha1: in hexadecimal digits.
        size: in bytes.
    """

    sha256: str = ""
    md5: str = ""
    size: int | None = None
    sha1: str = ""

    @property
    def checksum(self) -> str:
        """The strongest one."""
        return self.sha256 or self.sha1 or self.md5

    def complaint(self, file: Path, found_sha256: str = "") -> str:
        """What is wrong with a file that is there, or an empty text. `found_sha256` saves computing it again.

        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "x"
        >>> _ = file.write_bytes(b"four")
        >>> Known(size=5).complaint(file)
        '4 bytes instead of 5'
        >>> Known(size=4).complaint(file)
        ''
        """
        if self.size is not None and (size := file.stat().st_size) != self.size:
            return f"{size} bytes instead of {self.size}"
        if self.sha256 and (found := found_sha256 or sha256(file)) != self.sha256.lower():
            return f"SHA-256 {found} instead of {self.sha256}"
        for algorithm, known in (("SHA-1", self.sha1), ("MD5", self.md5)):
            if known and (found := digest(file, algorithm.replace("-", ""))) != known.lower():
                return f"{algorithm} {found} instead of {known}"
        return ""
