"""Keys: of a whole recording, and of its parts.

    D major                          GiantSteps (.key): the key, and nothing else
    0.000 170.2 Key E:mixolydian     Isophonics (.lab), POP909 (key_audio.txt without the word): its parts

A key is written as tonic, with flats, and mode: `Eb minor`. Modes of the church count as major or minor by their third.
The key of a recording is the one that holds longest.
"""

from __future__ import annotations

import re
from pathlib import Path

from ohrwurm.atomic import write_text
from ohrwurm.data.annotations.reading import Reading, relabelled, rows_of, text_of
from ohrwurm.data.annotations.spans import read_lab, unknown_labels, write_lab
from ohrwurm.events import KEYS, TONICS, Key, Spans, pitch_class

NONE = "N"
MODES = {
    "": "major", "M": "major", "maj": "major", "major": "major", "ionian": "major", "lydian": "major",
    "mixolydian": "major", "m": "minor", "min": "minor", "minor": "minor", "aeolian": "minor", "dorian": "minor",
    "phrygian": "minor", "locrian": "minor",
}  # fmt: skip
CHURCH = ("ionian", "lydian", "mixolydian", "aeolian", "dorian", "phrygian", "locrian")
SILENT = {"silence", "n", "none", "no key", "nokey", "-", "unknown"}
KEY = re.compile(r"([A-Ga-g])([#b]*)\s*[:\s_]?\s*([A-Za-z]*)")


def key_name(text: str) -> str:
    """A key as one of `KEYS`; `N` for none, empty where the text is no key.

    >>> [key_name(t) for t in ("C# min", "Eb:maj", "F#m", "E:mixolydian", "Silence", "H major", "audio.key")]
    ['Db minor', 'Eb major', 'Gb minor', 'E major', 'N', '', '']
    """
    if text.strip().lower() in SILENT:
        return NONE
    match = KEY.fullmatch(text.strip())
    if match is None:
        return ""
    mode = MODES.get(match[3]) or MODES.get(match[3].lower())
    if mode is None:
        return ""
    return f"{TONICS[pitch_class(match[1] + match[2])]} {mode}"


def keys_of(found: Reading[Spans]) -> Reading[Spans]:
    """The same spans with the names of keys; those that are no keys are left out, and told."""
    labels = [key_name(label) for label in found.value.labels]
    unknown = [old for old, new in zip(found.value.labels, labels, strict=True) if not new]
    church = [old for old in found.value.labels if old.lower().endswith(CHURCH)]
    remarks = list(unknown_labels(unknown, "key", "their time does not count"))
    if church:
        remarks.append(f"{len(church)} modes count as major or minor by their third ({church[0]})")
    return Reading(relabelled(found.value, labels), (*found.remarks, *remarks))


def longest(found: Reading[Spans]) -> Reading[Key]:
    """The key that holds longest, its share of the time with a key as confidence; `N` where there is none.

    >>> import numpy as np
    >>> spans = Spans(np.array([[0, 3], [3, 4], [4, 9]]), ("C major", "G major", "N"))
    >>> longest(Reading(spans))
    Reading(value=Key(label='C major', confidence=0.75), remarks=('2 keys, of which C major holds for 75 %',))
    """
    held: dict[str, float] = {}
    for (start, end), label in zip(found.value.intervals, found.value.labels, strict=True):
        if label != NONE:
            held[label] = held.get(label, 0.0) + float(end - start)
    if not held:
        return Reading(Key(NONE, 0.0), found.remarks)
    label = max(held, key=lambda name: held[name])
    share = held[label] / sum(held.values())
    several = (f"{len(held)} keys, of which {label} holds for {share:.0%}".replace("%", " %"),) if len(held) > 1 else ()
    return Reading(Key(label, min(share, 1.0)), (*found.remarks, *several))


def read_keys(file: Path) -> Reading[Spans]:
    """The keys of the parts of a recording, `N` where there is none.

    Raises:
        DataError: no such file, or a row without times.
    """
    return keys_of(read_lab(file, "keys"))


def read_key(file: Path) -> Reading[Key]:
    """The key of a whole recording, from its name alone or from its parts.

    Raises:
        DataError: no such file, or a row without times.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "a.key"
    >>> _ = file.write_text("C# minor\\n")
    >>> read_key(file).value
    Key(label='Db minor', confidence=1.0)
    """
    rows = rows_of(text_of(file))
    if len(rows) == 1 and (line := rows[0][1]) and not line[0].isdigit():
        parts = [part.strip() for part in re.split(r"[/|\t]", line) if part.strip()]
        names = [name for name in map(key_name, parts[:2]) if name and name != NONE]
        if not names:
            remarks = () if key_name(line) == NONE else unknown_labels([line], "key", "there is no key")
            return Reading(Key(NONE, 0.0), remarks)
        several = (f"several keys ({line}), of which the first counts",) if len(set(names)) > 1 else ()
        return Reading(Key(names[0], 1.0 / len(set(names))), several)
    return longest(read_keys(file))


def write_key(file: str | Path, key: Key) -> None:
    """Write a `.key` file: the name of the key, and nothing else.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "a.key"
    >>> write_key(file, Key("Eb minor", 0.9))
    >>> read_key(file).value.label
    'Eb minor'
    """
    write_text(file, f"{key.label}\n")


def write_keys(file: str | Path, keys: Spans) -> None:
    """Write the keys of the parts of a recording as Isophonics does: start, end, the word Key, tonic and mode.

    >>> import tempfile
    >>> import numpy as np
    >>> file = Path(tempfile.mkdtemp()) / "a.lab"
    >>> write_keys(file, Spans(np.array([[0.0, 8.0], [8.0, 20.0]]), ("Eb minor", "N")))
    >>> file.read_text()
    '0.000000\\t8.000000\\tKey\\tEb:minor\\n8.000000\\t20.000000\\tSilence\\n'
    >>> read_keys(file).value.labels
    ('Eb minor', 'N')
    """
    labels = ["Silence" if label == NONE else f"Key\t{label.replace(' ', ':')}" for label in keys.labels]
    write_lab(file, relabelled(keys, labels))


def signature_of(name: str) -> int:
    """Sharps (flats are negative) of a key's signature, -5 to 6.

    >>> [signature_of(name) for name in ("C major", "A minor", "Eb major", "B minor", "Gb major", "Eb minor")]
    [0, 0, -3, 2, 6, 6]
    """
    place = KEYS.index(name)
    major = place if place < 12 else (place - 12 + 3) % 12
    sharps = major * 7 % 12
    return int(sharps if sharps <= 6 else sharps - 12)


def signature_number(sharps: int) -> int:
    """The same signature in -5 to 6: seven sharps are five flats to the ear.

    >>> [signature_number(n) for n in (7, -6, 2)]
    [-5, 6, 2]
    """
    return int((sharps + 5) % 12 - 5)
