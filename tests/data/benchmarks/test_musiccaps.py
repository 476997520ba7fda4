"""MusicCaps: the published table and the lines of JSON give the same clips; audio under any of its usual names."""

from __future__ import annotations

import csv
import json
import lzma
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from trees import write_audio

from ohrwurm.data.benchmarks import find
from ohrwurm.data.benchmarks.musiccaps import LINES, TABLE
from ohrwurm.data.texts import read_musiccaps
from ohrwurm.errors import DataError

DATA = os.environ.get("OHRWURM_DATA")
COLUMNS = (
    "ytid", "start_s", "end_s", "audioset_positive_labels", "aspect_list", "caption", "author_id",
    "is_balanced_subset", "is_audioset_eval",
)  # fmt: skip
CLIPS = [
    ("-0Gj8-vB1q4", 30, ["low quality", "sad", 'it\'s "loud", fast; hard', "sad"], "A ballad,\nslow. ", True, True),
    ("0SdAVK79lg_", 150, [], "An electric guitar.", False, True),
    ("-0vPFx-wRRI", 0, ["reverb"], "A male voice.", False, False),
]


def tree(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / TABLE, "w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(COLUMNS)
        for ytid, start, aspects, caption, evaluation, balanced in CLIPS:
            table.writerow(
                [ytid, start, start + 10, "/m/04rlf,/t/dd00034", str(aspects), caption, 4, balanced, evaluation]
            )
    return folder


def test_captions_and_aspects_are_as_published(tmp_path: Path) -> None:
    first, second, third = find("musiccaps").read(tree(tmp_path))
    assert first.track_id == "-0Gj8-vB1q4"
    assert first.caption == "A ballad,\nslow."
    assert first.tags == ("low quality", "sad", 'it\'s "loud", fast, hard')
    assert first.annotations == {"start_s": 30}
    assert second.tags == ()
    assert {t.split for t in (first, second, third)} == {"test"}
    assert Path(third.path) == tmp_path / "audio" / "-0vPFx-wRRI.wav"


def test_variants_are_audiosets_sets_and_the_balanced_one(tmp_path: Path) -> None:
    folder = tree(tmp_path)
    for variant, expected in (("eval", [0]), ("balanced", [0, 1]), ("audioset", [0, 1, 2])):
        tracks = list(find(f"musiccaps/{variant}").read(folder))
        assert [t.track_id for t in tracks] == [CLIPS[i][0] for i in expected]
    assert [t.split for t in tracks] == ["test", "train", "train"]


def test_audio_is_found_under_its_usual_names(tmp_path: Path) -> None:
    folder = tree(tmp_path)
    files = ["audio/-0Gj8-vB1q4_30-40.wav", "wav/[0SdAVK79lg_].flac", "-0vPFx-wRRI.mp3"]
    for name in (*files, "audio/-0Gj8-vB1q4_30-40.txt", "audio/other-0Gj8-vB1q4.wav"):
        write_audio(folder / name)
    assert [t.path for t in find("musiccaps").read(folder)] == [str(folder / name) for name in files]


def test_lines_of_json_hold_the_same(tmp_path: Path) -> None:
    entries: list[dict[str, Any]] = [
        {"ytid": y, "start_s": str(s), "aspects": a, "caption": c, "audioset_eval": str(e)}
        for y, s, a, c, e, _ in CLIPS
    ]
    with lzma.open(tmp_path / LINES, "wt") as lines:
        lines.writelines(json.dumps(entry) + "\n" for entry in entries)
    table = tree(tmp_path / "table")
    both = tmp_path / "both"
    tree(both / "musiccaps")
    (both / LINES).write_bytes((tmp_path / LINES).read_bytes())
    assert len(find("musiccaps/balanced").read(both)) == 2
    for variant in ("all", "eval", "audioset"):
        found = find(f"musiccaps/{variant}")
        of_lines, of_table = found.read(tmp_path), found.read(table)
        assert [(t.track_id, t.split, t.caption) for t in of_lines] == [
            (t.track_id, t.split, t.caption) for t in of_table
        ]
    with pytest.raises(DataError, match="do not hold the variant 'balanced'"):
        find("musiccaps/balanced").read(tmp_path)
    with lzma.open(tmp_path / LINES, "wt") as lines:
        lines.write('{"ytid": "x"}\n')
    with pytest.raises(DataError, match=r"musiccaps\.jsonl\.xz, row 1: no start_s"):
        find("musiccaps").read(tmp_path)
    (tmp_path / LINES).write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"musiccaps\.jsonl\.xz: not lines of JSON"):
        find("musiccaps").read(tmp_path)


def test_a_damaged_table_is_told_with_its_clip(tmp_path: Path) -> None:
    file = tree(tmp_path) / TABLE
    whole = file.read_text()
    for old, new, message in (
        ("['reverb']", "__import__('os')", r"clip -0vPFx-wRRI: aspect_list is not a list of words: .__import"),
        ("lg_,150", "lg_,2:30", "clip 0SdAVK79lg_: start_s is '2:30'"),
        ("True,False", "True,maybe", "has is_audioset_eval 'maybe'"),
        ("0SdAVK79lg_", "-0vPFx-wRRI", "-0vPFx-wRRI is named a second time"),
    ):
        assert old in whole
        file.write_text(whole.replace(old, new))
        with pytest.raises(DataError, match=message):
            find("musiccaps").read(tmp_path)


@pytest.mark.skipif(not DATA, reason="set OHRWURM_DATA to the folder of the data sets")
def test_all_published_texts_are_read() -> None:
    if not (Path(str(DATA)) / LINES).is_file():
        pytest.skip(f"{LINES} is not in OHRWURM_DATA")
    for variant in ("all", "eval", "audioset"):
        known = find(f"musiccaps/{variant}")
        tracks = known.read(DATA)
        assert Counter(t.split for t in tracks) == known.variant().counts
    assert [t.caption for t in tracks] == [d.text.strip() for d in read_musiccaps(DATA)]
