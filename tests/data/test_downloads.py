"""Fetching a benchmark: what breaks off goes on, what is damaged is not kept, and a dead link says the way round."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import Files, Site, serving

from ohrwurm import transfer
from ohrwurm.data.archives import unpack
from ohrwurm.data.benchmarks.base import Benchmark, Layout, Remote, Variant
from ohrwurm.data.downloads import download
from ohrwurm.data.tracks import Manifest
from ohrwurm.errors import DataError, TransferError

CLIPS = {f"{i % 3}/clip-{i}.mp3": bytes([i]) * 9000 for i in range(12)}


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def tarred(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


AUDIO = zipped(CLIPS)
TABLE = b"clip\ttags\n" * 500
PARTS = {f"audio.zip.00{i + 1}": AUDIO[i * 40000 : (i + 1) * 40000] for i in range(3)}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(transfer, "PAUSE", 0.0)
    monkeypatch.setenv("OHRWURM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OHRWURM_MIRROR", raising=False)
    with serving(Files) as running:
        running.files |= {f"/set/{name}": content for name, content in PARTS.items()} | {"/set/table.tsv": TABLE}
        yield running


def clips(url: str) -> Benchmark:
    """Three parts of a zip archive, of which the checksums are known, and a table, of which the MD5 and size are."""
    return Benchmark(
        name="clips",
        title="Clips.",
        citation="nobody",
        licence="none",
        layouts=(Layout("parts", ("table.tsv",), lambda folder, variant: Manifest()),),
        variants={"all": Variant("All.", ("tagging",), {})},
        remotes=(
            *(
                Remote(f"{url}/{name}", name, sha256=hashlib.sha256(content).hexdigest(), unpack=True, about="audio")
                for name, content in PARTS.items()
            ),
            Remote(f"{url}/table.tsv", "tables/table.tsv", len(TABLE), md5=hashlib.md5(TABLE).hexdigest()),
        ),
        advice="Ask its authors for the clips.",
    )


def found(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*.mp3")}


def test_split_archive_and_table_arrive_and_are_unpacked(site: Site, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    arrived = download(clips(f"{site.url}/set"), tmp_path / "set", lambda *a: seen.append(a))
    assert [(a.name, a.checked, a.new) for a in arrived] == [
        ("audio.zip.001", True, True),
        ("audio.zip.002", True, True),
        ("audio.zip.003", True, True),
        ("tables/table.tsv", True, True),
    ]
    assert found(tmp_path / "set") == CLIPS
    assert (tmp_path / "set" / "tables" / "table.tsv").read_bytes() == TABLE
    assert seen[-1][0] == len(TABLE)
    site.asked.clear()
    again = download(clips(f"{site.url}/set"), tmp_path / "set")
    assert [a.new for a in again] == [False] * 4
    for name in PARTS:  # what was unpacked need not be kept
        (tmp_path / "set" / name).unlink()
    assert [a.sha256 for a in download(clips(f"{site.url}/set"), tmp_path / "set")] == [a.sha256 for a in arrived]
    assert site.asked == []


@pytest.mark.parametrize("ranges", [True, False])
def test_broken_connection_is_gone_on_from(site: Site, tmp_path: Path, ranges: bool) -> None:
    site.cut, site.ranges = [10_000, 5_000], ranges
    download(clips(f"{site.url}/set"), tmp_path / "set")
    assert found(tmp_path / "set") == CLIPS
    assert site.ranges_asked()[0] == "bytes=10000-"
    assert (site.ranges_asked()[1:] == ["bytes=15000-"]) is ranges


def test_killed_process_goes_on_where_it_was(site: Site, tmp_path: Path) -> None:
    """Killed without warning in the middle of the second part; the first one and what had come of it stay."""
    slow = b"x" * 3_000_000
    site.files["/set/slow.bin"] = slow
    code = (
        "import sys, time\n"
        "from ohrwurm import transfer\n"
        "from ohrwurm.data.benchmarks.base import *\n"
        "from ohrwurm.data.downloads import download\n"
        "transfer.CHUNK = 1 << 16\n"
        f"remotes = (Remote('{site.url}/set/table.tsv', 'table.tsv'), Remote('{site.url}/set/slow.bin', 'slow.bin'))\n"
        "b = Benchmark('clips', 't', 'c', 'l', (), {'all': Variant('a', (), {})}, remotes)\n"
        f"download(b, {str(tmp_path / 'set')!r}, lambda done, total: time.sleep(0.02))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as child:
        part = tmp_path / "set" / "slow.bin.part"
        deadline = time.monotonic() + 60
        while not (part.is_file() and part.stat().st_size > 500_000):
            assert child.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGKILL)
    arrived_before = part.stat().st_size
    site.asked.clear()
    remotes = tuple(Remote(f"{site.url}/set/{name}", name) for name in ("table.tsv", "slow.bin"))
    benchmark = dataclasses.replace(clips(""), remotes=remotes)
    arrived = download(benchmark, tmp_path / "set")
    assert [a.new for a in arrived] == [False, True]
    assert site.ranges_asked() == [f"bytes={arrived_before}-"]
    assert (tmp_path / "set" / "slow.bin").read_bytes() == slow


def test_dead_link_names_address_and_file_and_the_way_round(site: Site, tmp_path: Path) -> None:
    """All the others have arrived by then, and the next call asks for the missing one alone."""
    del site.files["/set/audio.zip.002"]
    with pytest.raises(TransferError) as told:
        download(clips(f"{site.url}/set"), tmp_path / "set")
    for words in (
        "1 of 4 files of clips could not be fetched",
        f"audio.zip.002 (audio): {site.url}/set/audio.zip.002: the server answers 404",
        "ohrwurm data prepare clips --source FOLDER. Ask its authors for the clips.",
        str(tmp_path / "set"),
    ):
        assert words in str(told.value)
    assert (tmp_path / "set" / "tables" / "table.tsv").is_file()
    assert found(tmp_path / "set") == {}
    (tmp_path / "set" / "audio.zip.002").write_bytes(PARTS["audio.zip.002"])  # got another way
    site.asked.clear()
    assert [a.new for a in download(clips(f"{site.url}/set"), tmp_path / "set")] == [False] * 4
    assert site.asked == []
    assert found(tmp_path / "set") == CLIPS


@pytest.mark.parametrize(
    "name, message",
    [("audio.zip.001", "SHA-256 .* instead of"), ("table.tsv", "5001 bytes instead of 5000|MD5 .* instead of")],
)
def test_what_is_not_as_published_is_not_kept(site: Site, tmp_path: Path, name: str, message: str) -> None:
    site.files[f"/set/{name}"] += b"!"
    with pytest.raises(TransferError, match=message):
        download(clips(f"{site.url}/set"), tmp_path / "set")
    assert not list((tmp_path / "set").rglob(f"{name}*"))


def test_file_addresses_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OHRWURM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "table.tsv").write_bytes(TABLE)
    for name, content in PARTS.items():
        (tmp_path / name).write_bytes(content)
    download(clips(tmp_path.as_uri()), tmp_path / "set")
    assert found(tmp_path / "set") == CLIPS


def test_set_without_addresses_says_where_to_ask(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Ask its authors for the clips\. Then: ohrwurm data prepare clips --source"):
        download(dataclasses.replace(clips(""), remotes=()), tmp_path)


# Archives ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize("name", ["../outside.txt", "/outside.txt", "a/../../outside.txt"])
def test_archive_cannot_leave_its_folder(tmp_path: Path, pack, name: str) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "in").mkdir()
    archive = tmp_path / "bad.archive"
    archive.write_bytes(pack({"fine.txt": b"fine", name: b"out"}))
    with pytest.raises(DataError, match=r"bad\.archive: names .*outside\.txt', which leads out of its folder"):
        unpack([archive], tmp_path / "in")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["bad.archive", "in"]


def test_link_in_an_archive_cannot_lead_out(tmp_path: Path) -> None:
    archive = tmp_path / "links.tar"
    with tarfile.open(archive, "w") as packed:
        link = tarfile.TarInfo("door")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        packed.addfile(link)
    (tmp_path / "in").mkdir()
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack([archive], tmp_path / "in")
    assert list((tmp_path / "in").iterdir()) == []


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize("size", [45, 1000, 4096])
def test_parts_may_end_anywhere(tmp_path: Path, pack, size: int) -> None:  # type: ignore[no-untyped-def]
    whole = pack({f"{i}.txt": bytes([65 + i]) * 100 for i in range(20)})
    parts = []
    for start in range(0, len(whole), size):
        parts.append(tmp_path / f"a.{len(parts) + 1:03d}")
        parts[-1].write_bytes(whole[start : start + size])
    (tmp_path / "in").mkdir()
    assert len(unpack(parts, tmp_path / "in")) == 20
    assert (tmp_path / "in" / "19.txt").read_bytes() == b"T" * 100


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_unpacking_goes_on_and_replaces_what_was_cut_short(tmp_path: Path, pack) -> None:  # type: ignore[no-untyped-def]
    archive = tmp_path / "a"
    archive.write_bytes(pack({"one.txt": b"12345", "sub/two.txt": b"678"}))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one.txt").write_bytes(b"12")
    assert unpack([archive], tmp_path / "in") == ["one.txt", "sub/two.txt"]
    assert (tmp_path / "in" / "one.txt").read_bytes() == b"12345"
    before = (tmp_path / "in" / "one.txt").stat().st_mtime_ns
    unpack([archive], tmp_path / "in")
    assert (tmp_path / "in" / "one.txt").stat().st_mtime_ns == before


@pytest.mark.parametrize("content", [b"no archive", AUDIO[:50_000], AUDIO[:-40], tarred(CLIPS)[:-100]])
def test_damaged_archive_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.zip: cannot be unpacked"):
        unpack([tmp_path / "a.zip"], tmp_path)


def test_archive_larger_than_the_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ohrwurm.data import archives

    usage = archives.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    (tmp_path / "a.zip").write_bytes(AUDIO)
    with pytest.raises(DataError, match="Make room"):
        unpack([tmp_path / "a.zip"], tmp_path)
