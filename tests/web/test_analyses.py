"""What `ohrwurm analyze` found: in the API, narrowing questions, and drawn on the page while the track plays."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest
from browsing import audio, serving, visiting, wait_for, wait_until_playing
from fastapi.testclient import TestClient
from waltz import waltz

from ohrwurm.analysis.formats.json import plain
from ohrwurm.collection import Collection
from ohrwurm.web.api import create_app


@pytest.fixture(scope="module")
def client(heard: Collection) -> Iterator[TestClient]:
    with TestClient(create_app(heard), base_url="http://127.0.0.1:8765", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def address(heard: Collection) -> Iterator[str]:
    with serving(heard) as address:
        yield address


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    with visiting(browser, address) as page:
        yield page


def titles(answer: dict) -> list[str]:
    return [r["title"] for r in answer["results"]]


# The API


def test_results_say_what_was_heard(client: TestClient) -> None:
    answer = client.get("/api/search", params={"q": "high"}).json()["results"]
    found = {r["title"]: r["analysis"] for r in answer}
    assert (found["waltz"]["bpm"], found["waltz"]["key"], found["waltz"]["metre"]) == (140.0, "F minor", 3)
    assert found["march"]["key"] == "Db major"
    assert found["unheard"] is None
    status = client.get("/api/status").json()
    assert (status["analysed"], status["analysis_failures"]) == ({"frames:1": 2}, 0)


def test_questions_are_narrowed_by_key_tempo_and_conditions(client: TestClient) -> None:
    for more, expected in (
        ({"where": "key = 'F minor' and bpm between 118 and 142"}, ["waltz"]),
        ({"where": "chords like '%Bb:min%' and metre = 3"}, ["waltz"]),
        ({"key": "C# major"}, ["march"]),
        ({"key": "minor", "bpm": "100-150"}, ["waltz"]),
        ({"bpm": "-130"}, ["march"]),
        ({"key": "E major"}, []),
    ):
        assert titles(client.get("/api/search", params={"q": "high", **more}).json()) == expected, more
        assert titles(client.get("/api/tracks", params=more).json()) == expected, more
    march = client.get("/api/tracks", params={"key": "Db"}).json()["results"][0]["id"]
    assert titles(client.get("/api/search", params={"like": march, "key": "minor"}).json()) == ["waltz"]
    assert titles(client.get(f"/api/versions/{march}", params={"bpm": "139-141"}).json()) == ["waltz"]


def test_what_cannot_be_asked_is_told(client: TestClient, collection: Collection) -> None:
    for more, why in (
        ({"key": "H minor"}, "no key"),
        ({"bpm": "fast"}, "no range"),
        ({"where": "tempo > 3"}, "Columns"),
        ({"where": "key = 'A# minor'"}, "'Bb minor' for 'A# minor'"),
    ):
        answer = client.get("/api/search", params={"q": "high", **more})
        assert (answer.status_code, why in answer.json()["error"]) == (400, True), answer.json()
    with TestClient(create_app(collection), base_url="http://127.0.0.1:8765") as unheard:
        answer = unheard.get("/api/search", params={"q": "high", "bpm": "100-120"})
        assert (answer.status_code, "ohrwurm analyze --collection" in answer.json()["error"]) == (400, True)


def test_the_whole_analysis_without_the_place_of_the_file(client: TestClient) -> None:
    ids = {t["title"]: t["id"] for t in client.get("/api/tracks").json()["results"]}
    found = client.get(f"/api/analysis/{ids['waltz']}").json()
    assert found == {name: value for name, value in plain(waltz()).items() if name != "file"}
    for id in (ids["unheard"], "0123456789ab", "../etc"):
        assert client.get(f"/api/analysis/{id}").status_code == 404
    assert "ohrwurm analyze" in client.get(f"/api/analysis/{ids['unheard']}").json()["error"]


# The page


def search(page: Any, words: str = "high") -> None:
    page.get_by_label("What should it sound like?").fill(words)
    page.get_by_label("but not").press("Enter")
    page.wait_for_selector("#results:not([aria-busy]) .card")


def shown(page: Any) -> list[str]:
    return page.locator(".card .title").all_inner_texts()


def look(page: Any, title: str) -> Any:
    page.get_by_role("button", name=f"Look inside {title}").click()
    page.locator(".view .whole .cursor").wait_for(state="attached")
    return page.locator(".view")


@pytest.mark.browser
def test_cards_tell_key_and_tempo_and_filters_narrow(page: Any) -> None:
    search(page)
    waltz = page.locator(".card").filter(has_text="waltz")
    assert "140 bpm · F minor · 3 beats a bar" in waltz.inner_text()
    assert page.locator(".card").filter(has_text="unheard").locator(".heard, .look").count() == 0
    page.get_by_label("Key").select_option("minor")
    page.get_by_role("heading", name="“high”, in minor").wait_for()
    page.wait_for_selector("#results:not([aria-busy])")
    assert shown(page) == ["waltz"]
    page.get_by_label("Key").select_option("")
    page.get_by_label("Slowest").fill("118")
    page.get_by_label("Fastest").fill("122")
    page.get_by_label("Fastest").press("Enter")
    page.get_by_role("heading", name="“high”, at 118–122 bpm").wait_for()
    page.wait_for_selector("#results:not([aria-busy])")
    assert shown(page) == ["march"]
    page.reload()
    page.get_by_role("heading", name="“high”, at 118–122 bpm").wait_for()
    assert page.get_by_label("Fastest").input_value() == "122"
    page.goto("/?key=F+minor")
    page.get_by_role("heading", name="Tracks in F minor").wait_for()
    page.wait_for_selector("#results:not([aria-busy]) .card")
    assert shown(page) == ["waltz"]


@pytest.mark.browser
def test_without_analyses_there_is_nothing_to_narrow_by(browser: Any, collection: Collection) -> None:
    with serving(collection) as address, visiting(browser, address) as page:
        search(page)
        wait_for(page, "document.getElementById('status').textContent.includes('tracks')")
        assert page.locator("#filters").is_hidden()
        assert page.locator(".look, .heard").count() == 0


@pytest.mark.browser
def test_the_inside_of_a_track_is_drawn_and_follows_the_player(page: Any) -> None:
    search(page)
    view = look(page, "waltz")
    lanes = view.locator(".whole .lane")
    assert [lanes.nth(i).locator("rect").count() for i in range(lanes.count())] == [
        5,
        2,
        30,
        0,
    ]  # sections, keys, chords, beats
    assert lanes.nth(0).locator("text").all_text_contents() == ["intro", "verse", "chorus", "verse", "outro"]
    assert view.locator(".whole .down").count() == 47
    assert "F minor, 140 beats a minute, 3 beats a bar" in view.locator(".whole").get_attribute("aria-label")
    near = set(view.locator(".near .chords text").all_text_contents())
    assert {"Fm", "B♭m", "C7", "A♭", "E♭/3", "D♭maj7"} <= near
    box = view.locator(".whole").bounding_box()
    view.locator(".whole").click(position={"x": box["width"] / 2, "y": 10})
    wait_until_playing(page)
    assert 29.5 <= audio(page)["currentTime"] < 33
    begun = float(view.locator(".whole .cursor").get_attribute("x1"))
    wait_for(page, "audio.currentTime > 31")
    page.locator("#play").click()
    wait_for(page, "audio.paused")
    time.sleep(0.3)
    now = audio(page)["currentTime"]
    end = float(view.locator(".whole .cursor").get_attribute("x1"))
    assert end > begun
    assert end == pytest.approx(now / 60 * box["width"], abs=1)
    assert view.locator(".now-there").inner_text().startswith(f"0:{int(now)} · chorus · F minor · ")
    view.locator(".near").click(position={"x": view.locator(".near").bounding_box()["width"] - 2, "y": 5})
    wait_for(page, f"audio.currentTime > {now + 7}")
    look(page, "march")
    assert page.locator(".view").count() == 1  # one at a time; the other is closed
    button = page.get_by_role("button", name="Look inside march")
    assert button.get_attribute("aria-expanded") == "true"
    button.press("Enter")
    assert page.locator(".view").count() == 0
    assert button.get_attribute("aria-expanded") == "false"


@pytest.mark.browser
def test_in_words_and_without_motion(page: Any) -> None:
    page.emulate_media(reduced_motion="reduce")
    search(page)
    view = look(page, "waltz")
    view.get_by_text("In words").click()
    words = view.locator(".words p").inner_text()
    assert "sections: 0:00 intro, 0:06 verse" in words
    assert "key: 0:00 F minor, 0:40 A♭ major" in words
    assert "chords: 0:00 Fm, 0:02 B♭m" in words
    moved = view.locator(".near g").first.get_attribute("transform")
    page.evaluate("document.querySelector('.view .near').dispatchEvent(new MouseEvent('click', {bubbles: true}))")
    wait_until_playing(page)
    wait_for(page, "audio.currentTime > 1")
    assert view.locator(".near g").first.get_attribute("transform") == moved  # the cursor moves, the picture does not


@pytest.mark.browser
@pytest.mark.parametrize("width", [320, 1100])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_and_everything_has_a_name(page: Any, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    search(page)
    look(page, "waltz")
    page.locator(".card .play").first.click()
    wait_until_playing(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    beyond = """[...document.querySelectorAll('.search input, .search select, .card *')]
        .filter((e) => e.checkVisibility()
        && !e.closest('svg')
        && e.getBoundingClientRect().right > e.closest('.search, .card').getBoundingClientRect().right)
        .map((e) => e.outerHTML)"""
    assert page.evaluate(beyond) == []
    unnamed = """[...document.querySelectorAll('button, input, select, a, svg:not([aria-hidden])')]
        .filter((e) => e.checkVisibility() && !(e.ariaLabel || e.labels?.length || e.textContent.trim()))
        .map((e) => e.outerHTML)"""
    assert page.evaluate(unnamed) == []
    if folder := os.environ.get("OHRWURM_SCREENSHOTS"):
        time.sleep(0.5)
        page.screenshot(path=f"{folder}/inside-{scheme}-{width}.png")
