"""The picture of a recording is legible: no text lies over another or outside, whatever was found, however long."""

from __future__ import annotations

import dataclasses
import io
import xml.etree.ElementTree as ElementTree
from itertools import combinations
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from made_up import made_up, spans, tone
from matplotlib.figure import Figure
from matplotlib.text import Text

from ohrwurm.analysis.formats import figure, write
from ohrwurm.analysis.formats.envelope import envelope
from ohrwurm.analysis.formats.figure import drawn, picture
from ohrwurm.analysis.recording import Analysis
from ohrwurm.analysis.tempo import NO_TEMPO
from ohrwurm.errors import AudioError, DataError
from ohrwurm.events import Beats, Key, Spans


def texts(sheet: Figure) -> list[Text]:
    sheet.canvas.draw()
    return [t for t in sheet.findobj(Text) if isinstance(t, Text) and t.get_text().strip() and t.get_visible()]


def recording(folder: Path, duration: float) -> str:
    return str(tone(folder / "a.wav", duration, 1000, 1))


@pytest.mark.parametrize(("duration", "bpm"), [(0.4, 120), (12, 60), (30, 180), (600, 140)])
def test_no_text_lies_over_another(tmp_path: Path, duration: float, bpm: float) -> None:
    analysis = made_up(recording(tmp_path, duration), duration, bpm)
    remarks = tuple(f"word-{i}: something about this that takes a whole line of words to tell" for i in range(12))
    sheet = drawn(dataclasses.replace(analysis, remarks=remarks))
    boxes = [(t.get_text(), t.get_window_extent()) for t in texts(sheet)]
    assert len(boxes) > 20
    for (one, a), (other, b) in combinations(boxes, 2):
        width, height = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert width < 1 or height < 1, f"{one!r} lies over {other!r}"
    for text, box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0, text  # noqa: PT018
        assert box.x1 <= sheet.bbox.width and box.y1 <= sheet.bbox.height, text  # noqa: PT018


def test_thirty_seconds_are_written_out_and_ten_minutes_are_thinned(tmp_path: Path) -> None:
    short = [t.get_text() for t in texts(drawn(made_up(recording(tmp_path, 30), 30, 100)))]
    assert {"Dm", "G7/B", "Bbsus4", "intro", "verse", "C major", "0:30"} <= set(short)
    assert "100.0 bpm" in next(t for t in short if "bpm  ·" in t)
    assert {"1", "2", "3"} <= set(short)  # bars
    long = [t.get_text() for t in texts(drawn(made_up(recording(tmp_path, 600), 600, 140)))]
    numbers = [int(t) for t in long if t.isdecimal() and int(t) > 12]
    assert "10:00" in long and len(numbers) < 80  # noqa: PT018


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"beats": Beats(np.zeros(0), np.zeros(0, np.int64)), "tempo": NO_TEMPO, "chords": spans(3, 0, ("N",))},
        {"beats": Beats(np.array([1.0]), np.array([1]))},
        {"beats": Beats(np.array([1.0, 2.0]), np.array([0, 0]))},
        {"chords": Spans(np.array([[0.0, 3.0]]), ("X",)), "key": Key("N", 0.0)},
        {"keys": Spans(np.array([[0.0, 3.0]]), ("N",)), "sections": Spans(np.array([[0.0, 3.0]]), ("Z",))},
        {"tags": (), "remarks": ("silent: nothing sounds in it",)},
    ],
)
def test_whatever_was_found_is_drawn(tmp_path: Path, found: dict[str, object]) -> None:
    analysis = Analysis(recording(tmp_path, 3), 3.0, "m", **found)  # type: ignore[arg-type]
    assert picture(analysis).startswith(b"\x89PNG")


def test_files_are_pictures(tmp_path: Path) -> None:
    name = tmp_path / "$a_b^ & <Ä> 歌.wav"
    tone(name, 5.0, 8000)
    pixels, vectors = write(made_up(name, 5.0), tmp_path / "out" / "a.b", ["figure", "figure-svg"])
    assert (pixels.name, vectors.name) == ("a.b.png", "a.b.svg")
    image = matplotlib.image.imread(io.BytesIO(pixels.read_bytes()))
    assert image.shape[1] == 1728
    assert 500 < image.shape[0] < 1200
    said = [e.text for e in ElementTree.parse(vectors).iter() if e.tag.endswith("text")]
    assert "$a_b^ & <Ä> 歌.wav" in said


def test_a_picture_is_the_same_each_time(tmp_path: Path) -> None:
    analysis = Analysis(recording(tmp_path, 5), 5.0, "m", sections=spans(5, 3, ("verse", "chorus")))
    assert picture(analysis, "svg") == picture(analysis, "svg")


@pytest.mark.parametrize("count", [1, 7, 100, 5000])
def test_an_envelope_misses_no_sample(tmp_path: Path, count: int) -> None:
    file = tone(tmp_path / "a.wav", 3.0, 8000, 2)
    import soundfile

    x = soundfile.read(file, dtype="float32")[0].mean(1)
    x[17], x[-1] = 0.9, -0.8
    soundfile.write(file, x, 8000, subtype="FLOAT")
    found = envelope(file, 3.0, count)
    assert (found.high.max(), found.low.min()) == pytest.approx((0.9, -0.8))
    assert count * 0.9 <= len(found.times) <= count * 1.2 + 1
    assert np.sqrt((found.level**2).mean()) == pytest.approx(np.sqrt((x**2).mean()), rel=0.3)


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AudioError, match=r"gone\.wav: missing"):
        picture(made_up(tmp_path / "gone.wav"))
    monkeypatch.setattr(figure.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="figures need matplotlib: pip install"):
        write(made_up(tmp_path / "a.wav"), tmp_path / "a", ["json", "figure"])
    assert not (tmp_path / "a.json").exists()
