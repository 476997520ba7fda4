"""Fetching files: what breaks off goes on, what is damaged is not kept, and every refusal says what to do."""

from __future__ import annotations

import errno
import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import Files, Site, serving

from ohrwurm import transfer
from ohrwurm.errors import TransferError
from ohrwurm.transfer import fetch

DATA = bytes(range(256)) * 4000  # a megabyte
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(transfer, "PAUSE", 0.0)
    with serving(Files) as running:
        running.files["/weights/best.pth"] = DATA
        yield running


def leftovers(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize("sha256", [SHA256, ""])
def test_file_arrives_whole_and_is_checked_if_it_can_be(site: Site, tmp_path: Path, sha256: str) -> None:
    seen: list[tuple[int, int]] = []
    got = fetch(
        f"{site.url}/weights/best.pth", tmp_path / "best.pth", sha256=sha256, progress=lambda *a: seen.append(a)
    )
    assert got.path.read_bytes() == DATA
    assert (got.sha256, got.checked, got.mirrored) == (SHA256, bool(sha256), False)
    assert seen[-1] == (len(DATA), len(DATA))
    assert leftovers(tmp_path) == ["best.pth"]


@pytest.mark.parametrize("etags", [True, False])
@pytest.mark.parametrize("sha256", [SHA256, ""])
def test_broken_connections_are_gone_on_from(site: Site, tmp_path: Path, etags: bool, sha256: str) -> None:
    site.cut, site.etags = [300_000, 300_000], etags
    got = fetch(f"{site.url}/weights/best.pth", tmp_path / "best.pth", sha256=sha256)
    assert got.path.read_bytes() == DATA
    if etags or sha256:
        assert site.ranges_asked() == ["bytes=300000-", "bytes=600000-"]
    else:  # nobody could tell whether the rest is of the same file
        assert site.ranges_asked() == []


def test_server_without_ranges_sends_all_again(site: Site, tmp_path: Path) -> None:
    site.cut, site.ranges = [300_000], False
    assert fetch(f"{site.url}/weights/best.pth", tmp_path / "best.pth", sha256=SHA256).path.read_bytes() == DATA
    assert site.ranges_asked() == ["bytes=300000-"]


def test_later_run_goes_on_where_an_earlier_one_gave_up(site: Site, tmp_path: Path) -> None:
    url = f"{site.url}/weights/best.pth"
    site.cut = [400_000, 0, 0, 0, 0, 0]
    with pytest.raises(TransferError, match=r"0\.4 MB have arrived; run again to go on"):
        fetch(url, tmp_path / "best.pth", sha256=SHA256)
    assert leftovers(tmp_path) == ["best.pth.part", "best.pth.part.from"]
    site.cut.clear()
    site.asked.clear()
    assert fetch(url, tmp_path / "best.pth", sha256=SHA256).path.read_bytes() == DATA
    assert site.ranges_asked() == ["bytes=400000-"]
    assert leftovers(tmp_path) == ["best.pth"]


def test_file_is_checked_by_what_is_known_of_it(site: Site, tmp_path: Path) -> None:
    url, target = f"{site.url}/weights/best.pth", tmp_path / "best.pth"
    md5 = hashlib.md5(DATA).hexdigest()
    with pytest.raises(TransferError, match=rf"{len(DATA)} bytes instead of 5\."):
        fetch(url, target, size=5)
    with pytest.raises(TransferError, match=f"MD5 {md5} instead of {'0' * 32}"):
        fetch(url, target, md5="0" * 32)
    with pytest.raises(TransferError, match=f"SHA-1 {hashlib.sha1(DATA).hexdigest()} instead of {'0' * 40}"):
        fetch(url, target, sha1="0" * 40)
    assert leftovers(tmp_path) == []
    assert fetch(url, tmp_path / "sha1" / "best.pth", sha1=hashlib.sha1(DATA).hexdigest()).checked
    site.cut, site.etags = [300_000], False
    assert fetch(url, target, md5=md5.upper(), size=len(DATA)).checked
    assert site.ranges_asked()[-1] == "bytes=300000-"
    site.asked.clear()
    assert fetch(url, target, md5=md5).sha256 == SHA256
    assert site.asked == []  # it is there


def test_file_of_this_machine_is_copied_and_checked_too(tmp_path: Path) -> None:
    (tmp_path / "a file").write_bytes(DATA)
    url = (tmp_path / "a file").as_uri()
    got = fetch(url, tmp_path / "copy", sha256=SHA256, local=True)
    assert (got.path.read_bytes(), got.checked, got.mirrored) == (DATA, True, False)
    with pytest.raises(TransferError, match="a file: SHA-256"):
        fetch(url, tmp_path / "other", sha256="0" * 64, local=True)
    with pytest.raises(TransferError, match="nothing: no such file on this machine"):
        fetch((tmp_path / "nothing").as_uri(), tmp_path / "other", local=True)
    with pytest.raises(TransferError, match="no such file on this machine"):
        fetch("file://host" + (tmp_path / "a file").as_posix(), tmp_path / "other", local=True)


@pytest.mark.parametrize("sha256", [True, False])
def test_file_that_changed_meanwhile_is_not_patched_together(site: Site, tmp_path: Path, sha256: bool) -> None:
    url, newer = f"{site.url}/weights/best.pth", DATA[::-1]
    site.cut = [400_000, 0, 0, 0, 0, 0]
    with pytest.raises(TransferError):
        fetch(url, tmp_path / "best.pth")
    site.cut.clear()
    site.files["/weights/best.pth"] = newer
    known = hashlib.sha256(newer).hexdigest() if sha256 else ""
    assert fetch(url, tmp_path / "best.pth", sha256=known).path.read_bytes() == newer


def test_part_of_another_version_is_dropped_when_the_checksum_says_so(site: Site, tmp_path: Path) -> None:
    (tmp_path / "best.pth.part").write_bytes(b"another file")
    (tmp_path / "best.pth.part.from").write_text(f"{SHA256}\n")
    assert fetch(f"{site.url}/weights/best.pth", tmp_path / "best.pth", sha256=SHA256).path.read_bytes() == DATA
    (tmp_path / "best.pth").unlink()
    (tmp_path / "best.pth.part").write_bytes(DATA + b"longer than the file")
    (tmp_path / "best.pth.part.from").write_text(f"{SHA256}\n")
    assert fetch(f"{site.url}/weights/best.pth", tmp_path / "best.pth", sha256=SHA256).path.read_bytes() == DATA


def test_wrong_checksum_is_said_and_nothing_kept(site: Site, tmp_path: Path) -> None:
    with pytest.raises(TransferError, match=f"SHA-256 {SHA256} instead of {'0' * 64}"):
        fetch(f"{site.url}/weights/best.pth", tmp_path / "best.pth", sha256="0" * 64)
    assert leftovers(tmp_path) == []


def test_file_that_is_there_is_not_fetched_again(site: Site, tmp_path: Path) -> None:
    (tmp_path / "best.pth").write_bytes(DATA)
    assert fetch(f"{site.url}/weights/best.pth", tmp_path / "best.pth", sha256=SHA256).checked
    assert site.asked == []
    (tmp_path / "best.pth").write_bytes(b"damaged since")
    assert fetch(f"{site.url}/weights/best.pth", tmp_path / "best.pth", sha256=SHA256).path.read_bytes() == DATA


@pytest.mark.parametrize(
    "path, failures, said",
    [
        ("/none.pth", [], r"404 Not Found: there is no such file. Check the address"),
        ("/weights/best.pth", [403], "403 Forbidden: you may not have it"),
        ("/weights/best.pth", [503] * 9, r"503 Service Unavailable.*Run again later.*OHRWURM_MIRROR"),
    ],
)
def test_refusals_say_what_to_do(site: Site, tmp_path: Path, path: str, failures: list[int], said: str) -> None:
    site.failures = failures
    with pytest.raises(TransferError, match=said):
        fetch(site.url + path, tmp_path / "best.pth")
    assert leftovers(tmp_path) == []


def test_passing_failures_pass(site: Site, tmp_path: Path) -> None:
    site.failures = [503, 429]
    assert fetch(f"{site.url}/weights/best.pth", tmp_path / "best.pth").sha256 == SHA256


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/x", "weights/best.pth", "http:///x"])
def test_only_the_web_is_read(tmp_path: Path, url: str) -> None:
    with pytest.raises(TransferError, match="not an http"):
        fetch(url, tmp_path / "x")


def test_no_network_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PAUSE", 0.0)
    with serving(Files) as gone:
        url = f"{gone.url}/best.pth"
    with pytest.raises(TransferError, match=r"Connection refused.*Without a network, give a folder"):
        fetch(url, tmp_path / "best.pth")


def test_no_space_is_said_before_or_while_writing(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = transfer.shutil.disk_usage(tmp_path)
    with monkeypatch.context() as small:
        small.setattr(transfer.shutil, "disk_usage", lambda _: usage._replace(free=1000))
        with pytest.raises(TransferError, match="Make room"):
            fetch(f"{site.url}/weights/best.pth", tmp_path / "best.pth")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(transfer, "write_text", full)
    with pytest.raises(TransferError, match=r"no space left.*Make room and run again"):
        fetch(f"{site.url}/weights/best.pth", tmp_path / "best.pth")


def test_mirror_is_asked_first(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{site.url}/weights/best.pth"
    for name, place in (("full", "127.0.0.1/weights/best.pth"), ("flat", "best.pth")):
        mirror = tmp_path / name
        (mirror / place).parent.mkdir(parents=True)
        (mirror / place).write_bytes(DATA)
        got = fetch(url, tmp_path / "got" / name, sha256=SHA256, mirror=mirror)
        assert got.mirrored
        assert got.path.read_bytes() == DATA
    assert site.asked == []
    (mirror / "best.pth").write_bytes(b"another")
    monkeypatch.setenv("OHRWURM_MIRROR", str(mirror))
    with pytest.raises(TransferError, match="This copy is of another file"):
        fetch(url, tmp_path / "best.pth", sha256=SHA256)
    (mirror / "best.pth").unlink()
    assert not fetch(url, tmp_path / "best.pth", sha256=SHA256).mirrored
    monkeypatch.setenv("OHRWURM_MIRROR", str(tmp_path / "nowhere"))
    with pytest.raises(TransferError, match="no such mirror folder"):
        fetch(url, tmp_path / "other.pth")


def test_address_cannot_leave_the_mirror(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "mirror").mkdir()
    assert transfer.in_mirror("https://host/../../secret", tmp_path / "mirror") is None
    assert transfer.in_mirror("https://host/%2e%2e/%2e%2e/secret", tmp_path / "mirror") is None


def test_login_is_not_handed_on(site: Site, tmp_path: Path) -> None:
    with serving(Files) as elsewhere:
        elsewhere.files["/x"] = DATA
        site.redirects["/moved"] = f"{elsewhere.url}/x"
        fetch(f"{site.url}/moved", tmp_path / "x", headers={"Authorization": "Bearer secret"})
        assert site.asked[0][2]["authorization"] == "Bearer secret"
        assert all("authorization" not in headers for _, _, headers in elsewhere.asked)


def test_redirection_to_plain_http_is_not_followed() -> None:
    request = transfer.urllib.request.Request("https://host/x")
    with pytest.raises(TransferError, match="not encrypted"):
        transfer._NoDowngrade().redirect_request(request, None, 302, "", {}, "http://host/x")


def test_several_that_want_one_file_fetch_it_once(site: Site, tmp_path: Path) -> None:
    threads = [
        threading.Thread(
            target=fetch, args=(f"{site.url}/weights/best.pth", tmp_path / "best.pth"), kwargs={"sha256": SHA256}
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "best.pth").read_bytes() == DATA
    assert len(site.asked) == 1
