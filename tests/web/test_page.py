"""The page in a real browser against a real server: type, listen from the matching position, ask on."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import audio, serving, visiting, wait_for, wait_until_playing

from ohrwurm.collection import Collection

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(collection: Collection) -> Iterator[str]:
    """A running server, started as `ohrwurm serve` does."""
    with serving(collection) as address:
        yield address


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """A page on the server; fails the test on any script error, CSP violation or request to another host."""
    with visiting(browser, address) as page:
        yield page


def search(page: Any, words: str, without: str = "") -> None:
    page.get_by_label("What should it sound like?").fill(words)
    page.get_by_label("but not").fill(without)
    page.get_by_label("but not").press("Enter")
    page.wait_for_selector("#results:not([aria-busy])")


def titles(page: Any) -> list[str]:
    return page.locator(".card .title").all_inner_texts()


def card(page: Any, title: str) -> Any:
    return page.locator(".card").filter(has=page.get_by_role("heading", name=title, exact=True))


def test_the_start_page_tells_what_is_there(page: Any, model: str) -> None:
    wait_for(page, "document.getElementById('status').textContent.includes('5 tracks')")
    status = page.locator("#status")
    assert "1 unreadable" in status.inner_text()
    assert model in status.inner_text()
    assert page.get_by_label("What should it sound like?").evaluate("e => e === document.activeElement")
    assert "Describe what you want to hear" in page.locator("#message").inner_text()
    page.wait_for_selector(".card")  # some tracks to start from: playable, without a score
    assert len(titles(page)) == 5
    assert page.locator(".card .bar").count() == 0
    page.locator(".card .play").first.click()
    wait_until_playing(page)


def test_words_give_results_and_playing_starts_where_it_matches(page: Any) -> None:
    search(page, "high")
    assert set(titles(page)[:2]) == {"High Water", "high again"}
    turn = card(page, "The Turn")
    assert "best match at 0:08" in turn.inner_text()
    assert "Anna Ton" in turn.inner_text()
    turn.get_by_role("button", name="Play The Turn by Anna Ton", exact=True).click()
    wait_until_playing(page)
    assert 7.9 <= audio(page)["currentTime"] < 11
    assert audio(page)["duration"] == pytest.approx(14, abs=0.1)
    assert turn.get_attribute("aria-current") == "true"
    turn.get_by_role("button", name="Pause The Turn by Anna Ton").click()
    assert audio(page)["paused"]
    page.evaluate("audio.currentTime = 1")
    page.locator("#back").click()
    wait_until_playing(page)
    assert 7.9 <= audio(page)["currentTime"] < 11


def test_not_words_count(page: Any) -> None:
    search(page, "low high", "low")
    assert set(titles(page)[:2]) == {"High Water", "high again"}
    assert "not “low”" in page.locator("#heading").inner_text()


def test_more_like_this_versions_and_the_way_back(page: Any) -> None:
    search(page, "high")
    card(page, "High Water").get_by_role("button", name="More like").click()
    page.get_by_role("heading", name="Like High Water").wait_for()
    page.wait_for_selector("#results:not([aria-busy])")
    assert titles(page)[0] == "high again"
    assert "High Water" not in titles(page)
    assert page.locator("#example-title").inner_text() == "High Water"
    card(page, "high again").get_by_role("button", name="Versions of").click()
    page.get_by_role("heading", name="Versions of high again").wait_for()
    page.wait_for_selector("#results:not([aria-busy])")
    assert titles(page)[0] == "High Water"
    page.go_back()
    page.get_by_role("heading", name="Like High Water").wait_for()
    page.reload()  # the address holds the question
    page.get_by_role("heading", name="Like High Water").wait_for()
    page.get_by_label("Remove the example").click()
    page.get_by_role("heading", name="Your music, by ear").wait_for()


def test_a_format_the_browser_lacks_plays_decoded(page: Any) -> None:
    search(page, "middle")
    first = page.locator(".card").first
    assert first.locator(".title").inner_text() == "middle <b>&amp;"  # text, not markup
    first.locator(".play").click()
    wait_until_playing(page)
    assert audio(page)["duration"] == pytest.approx(5, abs=0.01)


def test_what_this_browser_cannot_play_is_asked_for_as_wav(page: Any) -> None:
    def unplayable(route: Any) -> None:
        if "as=wav" in route.request.url:
            route.continue_()
        else:
            route.fulfill(status=200, content_type="audio/mp4", body=b"not for this browser" * 100)

    page.route("**/api/audio/*", unplayable)
    search(page, "high")
    card(page, "The Turn").locator(".play").click()
    wait_until_playing(page)
    assert "as=wav" in audio(page)["src"]
    assert 7.9 <= audio(page)["currentTime"] < 11
    assert page.locator("#now-problem").inner_text() == ""


def test_a_recording_that_is_gone_is_told_in_the_player(page: Any) -> None:
    gone = '{"error": "a.wav: missing. Run ohrwurm index"}'
    page.route("**/api/audio/*", lambda route: route.fulfill(status=410, content_type="application/json", body=gone))
    search(page, "high")
    card(page, "The Turn").locator(".play").click()
    wait_for(page, "document.getElementById('now-problem').textContent.includes('Run ohrwurm index')")
    assert card(page, "The Turn").locator(".play.playing").count() == 0


def test_search_by_a_chosen_and_by_a_dropped_file(page: Any, music: Path) -> None:
    page.locator("#file").set_input_files(music / "high.flac")
    page.get_by_role("heading", name="Like high.flac").wait_for()
    page.wait_for_selector("#results:not([aria-busy]) .card")
    assert titles(page)[0] == "high again"
    drop = """async () => {
        const body = await (await fetch('/api/audio/' + document.querySelector('.card').dataset.id)).blob();
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([body], 'dropped.ogg'));
        for (const type of ['dragenter', 'dragover', 'drop'])
            document.body.dispatchEvent(new DragEvent(type, {dataTransfer, bubbles: true, cancelable: true}));
    }"""
    page.evaluate(drop)
    page.get_by_role("heading", name="Like dropped.ogg").wait_for()
    page.wait_for_selector("#results:not([aria-busy])")
    assert titles(page)[0] == "High Water"
    assert page.locator("#drop").is_hidden()


def test_errors_are_shown_with_the_next_step(page: Any, tmp_path: Path) -> None:
    (tmp_path / "letter.mp3").write_text("Dear Sir or Madam " * 20)
    page.locator("#file").set_input_files(tmp_path / "letter.mp3")
    alert = page.get_by_role("alert").filter(has_text="That did not work")
    alert.wait_for()
    assert "letter.mp3" in alert.inner_text()
    page.goto("/?like=0123456789ab")
    alert.wait_for()
    assert "index" in alert.inner_text()


def test_by_keyboard_alone(page: Any) -> None:
    page.keyboard.type("high")
    page.keyboard.press("Enter")
    page.wait_for_selector(".card")
    page.locator("#words").evaluate("e => e.blur()")
    page.keyboard.press("/")
    assert page.locator("#words").evaluate("e => e === document.activeElement")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('play')"):
            break
    page.keyboard.press("Enter")
    wait_until_playing(page)
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("Pause ")


@pytest.mark.parametrize("width", [320, 390, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_and_everything_has_a_name(page: Any, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    search(page, "high")
    card(page, "The Turn").locator(".play").click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    unnamed = """[...document.querySelectorAll('button, input, a')].filter((e) => e.checkVisibility()
        && !(e.ariaLabel || e.labels?.length || e.textContent.trim())).map((e) => e.outerHTML)"""
    assert page.evaluate(unnamed) == []
    if folder := os.environ.get("OHRWURM_SCREENSHOTS"):
        time.sleep(0.3)
        page.screenshot(path=f"{folder}/{scheme}-{width}.png")
