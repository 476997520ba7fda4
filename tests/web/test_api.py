"""The JSON API over a real collection: answers, errors, byte ranges, and what must not be reachable."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient

from ohrwurm.collection import Collection
from ohrwurm.web.api import create_app


def names(answer: dict) -> list[str]:
    return [Path(r["path"]).name for r in answer["results"]]


def upload(client: TestClient, samples: np.ndarray, **query: object):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, 16000, format="WAV")
    return client.post("/api/search-by-file", params=query, content=buffer.getvalue())


# Searching


def test_words_find_what_sounds_so_and_where(client: TestClient) -> None:
    answer = client.get("/api/search", params={"q": "high"}).json()
    assert set(names(answer)[:2]) == {"high.flac", "high again.ogg"}
    turn = next(r for r in answer["results"] if r["title"] == "The Turn")
    assert turn["position"] == pytest.approx(8, abs=1)
    assert turn["artist"] == "Anna Ton"
    assert turn["album"] == "Sines"
    scores = [r["score"] for r in answer["results"]]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.99
    assert scores[-1] < 0.1


def test_not_words_push_away(client: TestClient) -> None:
    assert names(client.get("/api/search", params={"q": "low"}).json())[:2] == ["low.wav", "turn.flac"]
    both = client.get("/api/search", params={"q": "low high", "not": "low", "k": 2}).json()
    assert set(names(both)) == {"high.flac", "high again.ogg"}


def test_like_a_track_leaves_it_out(client: TestClient, ids: dict[str, str]) -> None:
    answer = names(client.get("/api/search", params={"like": ids["high.flac"]}).json())
    assert answer[0] == "high again.ogg"
    assert "high.flac" not in answer


def test_where_and_k_restrict(client: TestClient) -> None:
    answer = client.get("/api/search", params={"q": "low", "where": "artist = 'Anna Ton'", "k": 1}).json()
    assert names(answer) == ["turn.flac"]


def test_versions(client: TestClient, ids: dict[str, str]) -> None:
    answer = names(client.get(f"/api/versions/{ids['high.flac']}").json())
    assert answer[0] == "high again.ogg"
    assert "high.flac" not in answer


def test_track_and_status(client: TestClient, ids: dict[str, str], model: str) -> None:
    track = client.get(f"/api/track/{ids['turn.flac']}").json()
    assert (track["title"], track["duration"]) == ("The Turn", pytest.approx(14))
    status = client.get("/api/status").json()
    assert (status["tracks"], sum(status["failures"].values())) == (5, 1)
    assert [(m["name"], "words" in m["good_for"]) for m in status["models"]] == [(model, True)]


def test_some_tracks_to_start_from(client: TestClient, ids: dict[str, str]) -> None:
    found = client.get("/api/tracks", params={"k": 3}).json()["results"]
    assert len({t["id"] for t in found} & set(ids.values())) == 3
    assert {t["id"] for t in client.get("/api/tracks?k=100").json()["results"]} == set(ids.values())


@pytest.mark.parametrize(
    "path, status, hint",
    [
        ("/api/search", 400, "give words"),
        ("/api/search?q=%20", 400, "give words"),
        ("/api/search?q=low&k=0", 400, "k"),
        ("/api/search?q=low&k=100000", 400, "k"),
        ("/api/search?q=low&where=artst%3D1", 400, "Columns"),
        ("/api/search?q=unheardof", 400, "no known word"),
        ("/api/search?like=0123456789ab", 404, "index"),
        ("/api/versions/0123456789ab", 404, "index"),
        ("/api/track/nothing", 404, "index"),
        ("/api/audio/0123456789ab", 404, "index"),
        ("/api/nowhere", 404, "Known"),
    ],
)
def test_errors_are_json_with_a_next_step(client: TestClient, path: str, status: int, hint: str) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert hint in answer.json()["error"]


# Audio


def test_ranges_are_the_bytes_of_the_file(client: TestClient, ids: dict[str, str], music: Path) -> None:
    url, data = f"/api/audio/{ids['turn.flac']}", (music / "turn.flac").read_bytes()
    whole = client.get(url)
    assert (whole.status_code, whole.headers["content-type"], whole.headers["accept-ranges"]) == (
        200,
        "audio/flac",
        "bytes",
    )
    assert whole.content == data
    for asked, start, stop in (
        ("bytes=0-1", 0, 2),
        ("bytes=1000-1999", 1000, 2000),
        ("bytes=-7", len(data) - 7, len(data)),
    ):
        part = client.get(url, headers={"Range": asked})
        assert part.status_code == 206
        assert part.content == data[start:stop]
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(data)}"
    assert client.get(url, headers={"Range": f"bytes={len(data)}-"}).status_code == 416


def test_what_browsers_do_not_play_is_decoded_to_wav(client: TestClient, ids: dict[str, str], music: Path) -> None:
    name = "middle <b>&amp;.aiff"
    url = f"/api/audio/{ids[name]}"
    whole = client.get(url)
    assert whole.headers["content-type"] == "audio/wav"
    assert int(whole.headers["content-length"]) == len(whole.content)
    decoded, rate = soundfile.read(io.BytesIO(whole.content))
    original, _ = soundfile.read(music / name)
    assert rate == 16000
    assert decoded.shape == original.shape
    assert np.abs(decoded - original).max() < 1e-4


@pytest.mark.parametrize("asked", ["bytes=0-10", "bytes=40-60", "bytes=99999-100002", "bytes=100001-", "bytes=-5"])
def test_decoded_ranges_equal_slices_of_the_whole(client: TestClient, ids: dict[str, str], asked: str) -> None:
    for name in ("middle <b>&amp;.aiff", "high again.ogg"):
        url = f"/api/audio/{ids[name]}?as=wav"
        whole = client.get(url).content
        part = client.get(url, headers={"Range": asked})
        start, stop = (int(x) for x in part.headers["content-range"].split()[1].split("/")[0].split("-"))
        assert part.status_code == 206
        assert part.content == whole[start : stop + 1]
        assert part.content
        assert int(part.headers["content-length"]) == len(part.content)


def test_a_range_of_another_version_of_the_file_is_not_mixed_in(client: TestClient, ids: dict[str, str]) -> None:
    url = f"/api/audio/{ids['low.wav']}?as=wav"
    tag = client.get(url).headers["etag"]
    assert client.get(url, headers={"Range": "bytes=5-9", "If-Range": tag}).status_code == 206
    assert client.get(url, headers={"Range": "bytes=5-9", "If-Range": '"other"'}).status_code == 200


def test_audio_cannot_leave_the_collection(client: TestClient, music: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    soundfile.write(secret, np.zeros(800), 8000)
    attempts = [
        str(secret),
        str(secret).lstrip("/"),
        "../" * 12 + str(secret).lstrip("/"),
        str(music / "low.wav"),
        "%00",
        ".",
    ]
    attempts += [a.replace("/", "%2f").replace(".", "%2e") for a in attempts]
    for attempt in attempts:
        for url in (f"/api/audio/{attempt}", f"/static/{attempt}", f"/api/track/{attempt}", f"/api/versions/{attempt}"):
            assert client.get(url).status_code in {404, 405}, url
    for attempt in (str(secret), str(music / "low.wav"), os.path.relpath(secret)):
        assert client.get("/api/search", params={"like": attempt}).status_code == 404


def test_a_file_put_in_the_place_of_a_track_is_not_handed_out(model: str, music: Path, tmp_path: Path) -> None:
    folder = tmp_path / "music"
    folder.mkdir()
    for name in ("low.wav", "high.flac"):
        shutil.copy(music / name, folder)
    collection = Collection(tmp_path / "collection")
    collection.index([folder], models=[model], workers=1)
    secret = tmp_path / "secret"
    secret.write_bytes(b"RIFF very private")
    with TestClient(create_app(collection), base_url="http://localhost") as client:
        found = {Path(r["path"]).name: r["id"] for r in client.get("/api/search?q=low").json()["results"]}
        os.utime(folder / "low.wav")  # touched, not changed: still the recording that was indexed
        assert client.get(f"/api/audio/{found['low.wav']}").status_code == 200
        (folder / "low.wav").unlink()
        answer = client.get(f"/api/audio/{found['low.wav']}")
        assert answer.status_code == 410
        assert "ohrwurm index" in answer.json()["error"]
        (folder / "low.wav").symlink_to(secret)
        answer = client.get(f"/api/audio/{found['low.wav']}")
        assert answer.status_code == 409
        assert b"private" not in answer.content


# Search by a recording


def test_search_by_an_uploaded_recording(client: TestClient) -> None:
    samples = 0.2 * np.sin(2 * np.pi * 4200 * np.arange(3 * 16000) / 16000)
    answer = upload(client, samples, name="hum.wav", k=2)
    assert answer.status_code == 200
    assert set(names(answer.json())) == {"high.flac", "high again.ogg"}


def test_an_upload_leaves_nothing_behind(client: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert upload(client, np.full(32000, 0.1), name="../../../escape.wav").status_code == 200
    assert client.post("/api/search-by-file?name=a.mp3", content=b"x" * 500).status_code == 422
    assert client.post("/api/search-by-file", content=b"x" * (2 << 20)).status_code == 413
    assert list(tmp_path.iterdir()) == []


def test_uploads_that_cannot_be_used_say_so(client: TestClient) -> None:
    broken = client.post("/api/search-by-file", params={"name": "my song.mp3"}, content=b"no music here" * 50)
    assert broken.status_code == 422
    assert "my song.mp3" in broken.json()["error"]
    assert tempfile.gettempdir() not in broken.json()["error"]
    assert client.post("/api/search-by-file", content=b"").status_code == 400


def test_a_silent_upload_is_told_by_its_own_name(client: TestClient) -> None:
    answer = upload(client, np.zeros(32000), name="hush.wav")
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("hush.wav: nothing to compare with")
    assert tempfile.gettempdir() not in answer.text


def test_an_upload_is_bounded_whatever_it_announces(client: TestClient) -> None:
    def endless():  # chunked: no Content-Length
        for _ in range(64):
            yield b"\0" * (1 << 16)

    answer = client.post("/api/search-by-file", content=endless())
    assert answer.status_code == 413
    assert "shorter" in answer.json()["error"]


# Who may ask


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:8765", "", "localhost.evil.example", "[", "a b"]
)
def test_foreign_host_names_are_refused(client: TestClient, host: str) -> None:
    answer = client.get("/api/status", headers={"Host": host})
    assert answer.status_code == 421
    assert "error" in answer.json()


@pytest.mark.parametrize("host", ["localhost:8765", "127.0.0.1", "[::1]:8765", "192.168.1.7:80"])
def test_own_addresses_are_answered(client: TestClient, host: str) -> None:
    assert client.get("/api/status", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    ],
)
def test_other_pages_may_not_ask(client: TestClient, headers: dict[str, str]) -> None:
    assert client.get("/api/status", headers=headers).status_code == 403
    assert client.post("/api/search-by-file", content=b"x", headers=headers).status_code == 403


def test_every_answer_is_guarded_and_none_is_shared(client: TestClient) -> None:
    for path in ("/", "/static/page.js", "/api/status", "/api/nowhere", "/nowhere"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-cache"
        assert not [h for h in headers if h.startswith("access-control-")]


def test_the_page_asks_nothing_of_other_hosts() -> None:
    static = Path(__import__("ohrwurm").__file__).parent / "web" / "static"
    for file in static.iterdir():
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")  # a name, not an address
        # no addresses, and nothing inline, which the CSP forbids
        found = [w for w in ("http://", "https://", "url(", "@import", " style=", "onclick", "innerHTML") if w in text]
        assert not found, file
