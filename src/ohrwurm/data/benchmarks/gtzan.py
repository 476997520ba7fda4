"""GTZAN: 1,000 excerpts of 30 s in ten genres, in one folder a genre.

    genres/blues/blues.00000.wav ...                                        or .au, as first published
    train_filtered.txt, valid_filtered.txt, test_filtered.txt               optional: genre/genre.00000.wav a line

The fault-filtered split leaves out what is broken, doubled or mislabelled and keeps artists apart. It is built in, so
that the lists need not be there; where they are, they are followed.

Sources: Tzanetakis, Cook, "Musical genre classification of audio signals", 2002; Kereliuk, Sturm, Larsen, "Deep
learning and music adversaries", 2015, whose lists `{train,valid,test}_filtered.txt` the ranges below are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from ohrwurm.data.benchmarks.base import Benchmark, Layout, Remote, Variant
from ohrwurm.data.benchmarks.forms import CLMR_AUDIO, jukemir, ttmr
from ohrwurm.data.tracks import Manifest, Track
from ohrwurm.errors import DataError

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
LISTS = {"train": "train", "valid": "validation", "test": "test"}
SUFFIXES = (".wav", ".au", ".flac", ".mp3", ".npy")
EACH = 100  # excerpts of each genre
# Places in the list of all 1,000 excerpts, genre after genre, counted from 1.
FILTERED = {
    "train": """
        30-50 74-98 131-134 144-149 151-168 181-200 220-227 229-230 266-300 306 316-321 323-338 340-346 348 350 354-355
        357-358 360 362 371 374-375 390 403-426 429-430 432-439 442-443 456-462 478-481 501-502 512-525 542 548-573
        603-604 606 622 625 636 647-658 660-667 670 672-673 680-681 685 687 690-700 703-710 712-713 717-721 724-730
        732-737 739-743 745 747 750-751 781 798-803 805 807 810 812-813 815-833 843-846 850-852 855-861 864 870 901-910
        917-927 958-971 992-1000
    """,
    "validation": """
        1-12 51-61 101-111 169-177 201-208 210-219 228 242-243 246 250 301 303-305 307-315 347 349 353 368-369 373 376
        391 396 482-499 503-511 526-533 601-602 607-612 617-621 637-638 669 677-678 682-683 711 754 756 759-763 782
        784-787 862-863 871 873 875 877-879 886 893-900 939 950-957 972-986
    """,
    "test": """
        13-29 62-73 99-100 112-130 135-142 150 178-180 231-241 244-245 247-249 251-252 254-265 302 322 359 363-367 370
        377-389 392-395 397-398 400-401 427-428 431 441 444-446 452-455 463-476 500 574-600 613-616 623-624 626-634
        639-640 668 671 674-676 679 684 686 688-689 701-702 714-715 744 764-767 770-780 783 789-797 835-841 847-849
        853-854 865-869 872 880 883-885 888-891 911-916 928-938 940-949 987-991
    """,
}


def filtered() -> list[tuple[str, str]]:
    """(name, split) of the 930 excerpts of the fault-filtered split.

    >>> names = dict(filtered())
    >>> len(names), names["blues.00029"], "blues.00050" in names
    (930, 'train', True)
    """
    return [(_name(place), split) for split, ranges in FILTERED.items() for place in _places(ranges)]


def read(folder: Path, variant: str) -> Manifest:
    """The excerpts of the fault-filtered split, or all of them; the genre is the track's tag.

    The annotation `uid` is the name under which jukemir knows the excerpt.

    Raises:
        DataError: only some of the lists are there, or one is damaged.
    """
    places = [place for place in (folder / "genres", folder / "genres_original", folder) if (place / "blues").is_dir()]
    base = places[0] if places else folder / "genres"
    if variant == "plain":
        listed = [(_name(place), "") for place in range(1, EACH * len(GENRES) + 1)]
    else:
        listed = _listed(folder) or filtered()
    there = _there(base)
    return Manifest(
        _track(name, there.get(name, base / _genre(name) / f"{name}{SUFFIXES[0]}"), split) for name, split in listed
    )


def read_jukemir(folder: Path, variant: str) -> Manifest:
    """The excerpts of `meta.json`, whose uids are the SHA-256 of their names.

    Raises:
        DataError: an entry without a name, of an unknown genre, or under another uid.
    """
    tracks = []
    for item in jukemir.items(folder):
        name = str(item.extra.get("id", ""))
        _check(name, item.where)
        if item.y != _genre(name) or item.uid != uid_of(name):
            raise DataError(f"{item.where}: names {name!r}, which has another genre or uid")
        tracks.append(_track(name, item.path, item.split))
    return Manifest(tracks)


def uid_of(name: str) -> str:
    """jukemir's name of an excerpt.

    >>> uid_of("blues.00078")[:8]
    '4ff14939'
    """
    return hashlib.sha256(name.encode()).hexdigest()


def _listed(folder: Path) -> list[tuple[str, str]]:
    """(name, split) of the lists in the folder; none where there are none."""
    lists = {split: folder / f"{part}_filtered.txt" for part, split in LISTS.items()}
    missing = [file.name for file in lists.values() if not file.is_file()]
    if 0 < len(missing) < len(lists):
        raise DataError(f"{folder}: {missing[0]} is missing beside the other lists of the split")
    found: dict[str, str] = {}
    for split, file in lists.items() if not missing else ():
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip():
                continue
            name = ttmr.bare(Path(line.strip()).name)
            where = f"{file}, row {number}"
            _check(name, where)
            if name in found:
                raise DataError(f"{where}: {name} stands in the list of {found[name]} already")
            found[name] = split
    return list(found.items())


def _check(name: str, where: str) -> None:
    number = name.rpartition(".")[2]
    if _genre(name) not in GENRES or not (len(number) == 5 and number.isdecimal() and int(number) < EACH):
        raise DataError(f"{where}: {name!r} is no excerpt of this set; one is blues.00000")


def _places(ranges: str) -> Iterator[int]:
    for first, _, last in (one.partition("-") for one in ranges.split()):
        yield from range(int(first), int(last or first) + 1)


def _name(place: int) -> str:
    genre, number = divmod(place - 1, EACH)
    return f"{GENRES[genre]}.{number:05d}"


def _genre(name: str) -> str:
    return name.partition(".")[0]


def _there(base: Path) -> dict[str, Path]:
    """Name → file of the excerpts that are in the folders of the genres; of several formats the first of `SUFFIXES`."""
    files = [file for genre in GENRES if (base / genre).is_dir() for file in (base / genre).iterdir()]
    ranked = sorted((SUFFIXES.index(file.suffix), file) for file in files if file.suffix in SUFFIXES)
    return {file.stem: file for _, file in reversed(ranked)}


def _track(name: str, path: Path, split: str) -> Track:
    genre = _genre(name)
    return Track(name, str(path), split, (genre,), annotations={"genre": genre, "uid": uid_of(name)})


def _folders(marks: Iterable[str]) -> Layout:
    return Layout("a folder a genre, as published; torchaudio's, TUNe's and MusCALL's", tuple(marks), read)


BENCHMARK = Benchmark(
    name="gtzan",
    title="GTZAN: 1,000 excerpts of 30 s, 100 in each of ten genres.",
    citation="Tzanetakis, Cook: Musical genre classification of audio signals, 2002",
    licence="not stated; collected from broadcasts and records",
    layouts=(
        *(_folders(f"{base}{genre}" for genre in GENRES) for base in ("genres/", "genres_original/", "")),
        *jukemir.layouts("[0-9a-f]" * 64, read_jukemir, ("filtered",)),
        ttmr.layout("gtzan", variants=("filtered",), key=lambda identity: identity.rpartition("/")[2], single=True),
    ),
    variants={
        "filtered": Variant(
            "The fault-filtered, artist-separated split of Kereliuk, Sturm, Larsen 2015.",
            ("probe", "tagging", "linear", "probing", "zero-shot", "jukemir"),
            {"train": 443, "validation": 197, "test": 290},
            labels=ttmr.labels_in("gtzan_tags.json", GENRES),
        ),
        "plain": Variant(
            "All 1,000 excerpts, without a split: for cross-validation.",
            ("probe",),
            {"": 1000},
            labels=GENRES,
            caveats="Doubled excerpts, wrong labels and artists on both sides flatter what is measured on it.",
        ),
    },
    remotes=(
        Remote(
            "http://opihi.cs.uvic.ca/sound/genres.tar.gz",
            "genres.tar.gz",
            md5="5b3d6dddb579ab49814ab86dba69e7c7",
            unpack=True,
            about="the 1,000 excerpts as .au, 1.2 GB; this address has been dead for years",
        ),
    ),
    advice=(
        "Copies of genres.tar.gz are in many laboratories and on Kaggle (as genres_original, where jazz.00054.wav is "
        "broken). Put the folders blues ... rock into genres/; the fault-filtered split is built in."
    ),
    audio=(jukemir.AUDIO, ttmr.AUDIO, CLMR_AUDIO),
    caveats="Some excerpts are mislabelled or distorted; one of 290 test excerpts is 0.34 points of accuracy.",
    evaluation_only=False,
)
