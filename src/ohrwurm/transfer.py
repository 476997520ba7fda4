"""Large files over HTTP: resumed where they broke off, checked by size and checksum, complete or absent.

What has arrived lies in `FILE.part`, and what it is a part of in `FILE.part.from`; the file appears under its name when
it is whole and its checksum is right. A mirror folder (`OHRWURM_MIRROR`) is asked before the network.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import os
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ohrwurm.atomic import into_place, replacing, write_text
from ohrwurm.checksums import Known
from ohrwurm.checksums import sha256 as sha256_of
from ohrwurm.errors import TransferError
from ohrwurm.folders import cache_folder
from ohrwurm.locks import holding

CHUNK = 1 << 20
TIMEOUT = 30.0  # seconds without a byte
TRIES = 4  # in a row without a new byte
PAUSE = 1.0  # seconds before the second try; twice as long before each further one

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Fetched:
    """A file that was fetched.

    Attributes:
        sha256: computed from the file as it lies there.
        checked: whether the file was compared with a known checksum, or that is all there is to know.
        mirrored: whether it came from the mirror folder.
    """

    path: Path
    sha256: str
    checked: bool
    mirrored: bool = False


def fetch(
    url: str,
    target: str | Path,
    *,
    sha256: str = "",
    md5: str = "",
    sha1: str = "",
    size: int | None = None,
    local: bool = False,
    headers: Mapping[str, str] | None = None,
    mirror: str | Path | None = None,
    progress: Progress | None = None,
) -> Fetched:
    """Put the file at `url` at `target`. One that is there already, with the right checksum, is kept.

    Args:
        url: `http://` or `https://`.
        sha256, md5, sha1, size: what the file has to have, as far as it is known.
        headers: sent along to the server of `url`, but not to others that it redirects to.
        local: whether `url` may also be `file://`, one on this machine, which is copied.
        mirror: a folder with the file, under its name or `host/path`; `OHRWURM_MIRROR` unless given.
        progress: called with (bytes, total bytes or 0).

    Raises:
        TransferError: no network, not there, wrong size or checksum, no space left. What has arrived is kept; the
            same call goes on from there.
    """
    target, known = Path(target), Known(sha256, md5, size, sha1)
    parts = urllib.parse.urlsplit(url)
    here = _on_this_machine(url) if local and parts.scheme == "file" else None
    if here is None and (parts.scheme not in ("http", "https") or not parts.netloc):
        raise TransferError(f"{url}: not an http:// or https:// address")
    if target.is_dir():
        raise TransferError(f"{target}: a folder is there. Give the name of a file.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target):
            if target.is_file() and known.checksum and not known.complaint(target):
                return Fetched(target, sha256 or sha256_of(target), checked=True)
            copy = here or in_mirror(url, mirror)
            if copy is not None:
                return _from_mirror(copy, target, known, mirrored=here is None)
            for attempt in (1, 2):
                resumed = _receive(url, target, known, dict(headers or {}), progress)
                found = sha256_of(_part(target))
                complaint = known.complaint(_part(target), found)
                if not complaint:
                    break
                _forget(target)
                # A part of another version of the file may have been gone on from: then the whole is tried once.
                if not resumed or attempt == 2:
                    raise TransferError(
                        f"{url}: {complaint}. The file was changed, or damaged on the way; it was not kept."
                    )
            into_place(_part(target), target)
            _forget(target)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise TransferError(
                f"{target}: no space left. Make room and run again: it goes on from what has arrived."
            ) from error
        raise TransferError(f"{target}: cannot be written ({error.strerror or error})") from error
    return Fetched(target, found, checked=bool(known.checksum))


def in_mirror(url: str, mirror: str | Path | None = None) -> Path | None:
    """The file of `url` in the mirror folder: `MIRROR/host/path`, or `MIRROR/name`. None if it is not there."""
    folder = mirror_folder(mirror)
    if folder is None:
        return None
    parts = urllib.parse.urlsplit(url)
    path = Path(*[p for p in urllib.parse.unquote(parts.path).split("/") if p not in ("", ".", "..")] or ["index"])
    for candidate in (folder / (parts.hostname or "") / path, folder / path.name):
        if candidate.is_file():
            return candidate
    return None


def mirror_folder(mirror: str | Path | None = None) -> Path | None:
    """The mirror folder given, else `OHRWURM_MIRROR`; None if there is neither.

    Raises:
        TransferError: it is no folder.
    """
    named = mirror or os.environ.get("OHRWURM_MIRROR")
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise TransferError(f"{folder}: no such mirror folder. Check --mirror or OHRWURM_MIRROR.")
    return folder


def _part(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def _origin(target: Path) -> Path:
    """Beside a part: the address it came from, and the version that the server gave the file."""
    return target.with_name(target.name + ".part.from")


def _forget(target: Path) -> None:
    _part(target).unlink(missing_ok=True)
    _origin(target).unlink(missing_ok=True)


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Wait for others that fetch the same file; they may be processes of one job."""
    locks = cache_folder() / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    lock = locks / hashlib.sha256(str(target.resolve()).encode()).hexdigest()[:32]
    while True:
        with holding(lock) as mine:
            if mine:
                yield
                return
        time.sleep(0.1)


def _on_this_machine(url: str) -> Path:
    """The file of a `file://` address."""
    parts = urllib.parse.urlsplit(url)
    file = Path(urllib.request.url2pathname(parts.path))
    if parts.netloc not in ("", "localhost") or not file.is_file():
        raise TransferError(f"{url}: no such file on this machine. Check the address.")
    return file


def _from_mirror(copy: Path, target: Path, known: Known, mirrored: bool) -> Fetched:
    found = sha256_of(copy)
    complaint = known.complaint(copy, found)
    if complaint:
        raise TransferError(f"{copy}: {complaint}. This copy is of another file, or damaged.")
    with replacing(target) as temporary:
        shutil.copyfile(copy, temporary)
    return Fetched(target, found, checked=bool(known.checksum), mirrored=mirrored)


class _Broken(Exception):
    """The connection ended before the file did."""


def _receive(url: str, target: Path, known: Known, headers: dict[str, str], progress: Progress | None) -> bool:
    """Fill the part until it is whole; whether it went on from an earlier one."""
    resumed, failures, reason = False, 0, ""
    while failures < TRIES:
        if failures:
            time.sleep(PAUSE * 2 ** (failures - 1))
        before = _size(target)
        try:
            resumed |= _attempt(url, target, known, headers, progress)
            return resumed
        except urllib.error.HTTPError as error:
            with contextlib.closing(error):
                if error.code == 416 and _size(target):  # our part does not belong to the file
                    _forget(target)
                elif error.code not in (408, 429, 500, 502, 503, 504):
                    raise TransferError(f"{url}: {_refusal(error)}") from error
                reason = f"the server answers {error.code} {error.reason}"
        except (_Broken, http.client.HTTPException, urllib.error.URLError, TimeoutError, ConnectionError) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        failures = 1 if _size(target) > before else failures + 1
    kept = f"{_size(target) / 1e6:.1f} MB have arrived; run again to go on." if _size(target) else "Run again later."
    raise TransferError(
        f"{url}: {reason}. {kept} Without a network, give a folder that has the file: --mirror or OHRWURM_MIRROR."
    )


def _refusal(error: urllib.error.HTTPError) -> str:
    said = f"the server answers {error.code} {error.reason}"
    if error.code in (404, 410):
        return f"{said}: there is no such file. Check the address."
    if error.code in (401, 403):
        return f"{said}: you may not have it. Check the address, and whether it asks for a login."
    return f"{said}."


def _size(target: Path) -> int:
    try:
        return _part(target).stat().st_size
    except OSError:
        return 0


def _attempt(url: str, target: Path, known: Known, headers: dict[str, str], progress: Progress | None) -> bool:
    """One request; whether it went on from a part. That needs a checksum, or the server's word on the version."""
    identity = known.checksum or url  # addresses of one file may differ: hubs sign them anew each time
    origin = _origin(target).read_text(encoding="utf-8").split("\n") if _origin(target).is_file() else ["", ""]
    start = _size(target) if origin[0] == identity and (origin[1] or known.checksum) else 0
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity", "User-Agent": "ohrwurm"})
    for name, value in headers.items():
        request.add_unredirected_header(name, value)
    if start:
        request.add_header("Range", f"bytes={start}-")
        if not known.checksum:
            request.add_header("If-Range", origin[1])
    with _OPENER.open(request, timeout=TIMEOUT) as answer:
        if answer.status != 206 or _first_byte(answer) != start:
            start = 0  # no ranges here, or the file has changed: all of it comes again
        left = int(answer.headers.get("Content-Length") or -1)
        total = start + left if left >= 0 else 0
        free = shutil.disk_usage(target.parent).free
        if left > free:
            raise TransferError(
                f"{target}: {left / 1e9:.2f} GB are still to come, {free / 1e9:.2f} GB are left on the disk. Make room."
            )
        if not start:
            etag = answer.headers.get("ETag") or ""  # a weak one says "much the same": not enough to go on from
            write_text(_origin(target), f"{identity}\n{'' if etag.startswith('W/') else etag}")
        with open(_part(target), "ab" if start else "wb") as out:
            done = start
            while chunk := answer.read(CHUNK):
                out.write(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(done, total)
        if total and done != total:
            raise _Broken(f"the connection ended at {done} of {total} bytes")
    return start > 0


def _first_byte(answer: Any) -> int:
    """Where a partial answer begins, from `Content-Range: bytes 5-9/10`."""
    span = (answer.headers.get("Content-Range") or "").removeprefix("bytes ").split("-")[0]
    return int(span) if span.isdigit() else -1


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirections, but never from https to http."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise TransferError(f"{req.full_url}: redirects to {newurl}, which is not encrypted. Not followed.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_NoDowngrade)
