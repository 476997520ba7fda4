"""A model folder's README, made from its card: metadata as the Hugging Face hub reads it, then the card in words."""

from __future__ import annotations

import re

import yaml

from ohrwurm.models.base import ModelCard

# Licences that the hub knows by name.
LICENCES = (
    "apache-2.0", "mit", "bsd-3-clause", "isc", "gpl-3.0", "agpl-3.0", "lgpl-3.0",
    "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-sa-4.0", "cc-by-nc-nd-4.0",
)  # fmt: skip
TAGS = {
    "words": ("text-to-music-retrieval", "joint-embedding"),
    "sound": ("music-similarity",),
    "versions": ("version-identification", "cover-song-identification"),
}
HEARS = {
    "beats": "beat-tracking",
    "chords": "chord-recognition",
    "chord-parts": "chord-recognition",
    "sections": "music-structure-analysis",
    "key": "key-estimation",
    "tags": "music-tagging",
}


def readme(card: ModelCard) -> str:
    """The whole file: front matter in YAML, then `description`."""
    return f"---\n{yaml.safe_dump(metadata(card), sort_keys=False, allow_unicode=True)}---\n\n{description(card)}"


def metadata(card: ModelCard) -> dict[str, object]:
    """What the hub files a model under: licence, library, task, tags.

    >>> metadata(ModelCard("m", "a", 16000, 5.0, 5.0, 8, ("sound",), "", licence="weights CC-BY-NC-4.0"))["license"]
    'cc-by-nc-4.0'
    """
    named = re.fullmatch(r"(?:weights )?([\w.-]+)", card.licence.lower())
    if named and named[1] in LICENCES:
        licence: dict[str, object] = {"license": named[1]}
    else:
        name = re.sub(r"[^\w.-]+", "-", card.licence.lower()).strip("-") or "unknown"
        licence = {"license": "other", "license_name": name}
    tags = ["audio", "music", "music-information-retrieval", "embeddings", card.architecture]
    tags += [tag for use in card.good_for for tag in TAGS.get(use, ())]
    tags += dict.fromkeys(HEARS[task] for task in card.features.get("heads", ()) if task in HEARS)
    return {**licence, "library_name": "ohrwurm", "pipeline_tag": "feature-extraction", "tags": tags}


def description(card: ModelCard, name: str = "FOLDER") -> str:
    """What a model is for, how it listens, what was measured, as Markdown; `name` is what `ohrwurm.load` takes.

    >>> card = ModelCard("m", "a", 16000, 5.0, 5.0, 8, ("sound",), "", layer=7, frame_rate=25.0)
    >>> [line for line in description(card, "m").splitlines() if "frames" in line or "load" in line]
    ['| frames | 25 a second, of layer 7 |', 'model = ohrwurm.load("m")']
    """
    lines = [f"# {card.name}", "", card.description, "", "| | |", "|---|---|"]
    lines += [
        f"| good for | {', '.join(card.good_for) or 'features'} |",
        f"| input | {card.sample_rate} Hz, windows of {card.window:g} s every {card.hop:g} s |",
        f"| vector | {card.dim} dimensions, {card.pooling}, compared by {card.comparison} |",
        *_rows(card),
        f"| licence | {card.licence} |",
        f"| source | {card.source or card.paper} |",
    ]
    if card.weights.get("url") or card.weights.get("sha256"):
        published = [card.weights.get("url", ""), card.weights.get("file", "")]
        checksum = f"SHA-256 {card.weights['sha256']}" if card.weights.get("sha256") else ""
        lines.append(f"| published weights | {' '.join(part for part in (*published, checksum) if part)} |")
    hint = '  # or "hf:org/name"' if name == "FOLDER" else ""
    lines += ["", "```python", "import ohrwurm", "", f'model = ohrwurm.load("{name}"){hint}', "```"]
    if card.results:
        columns = ("data", "protocol", "metric", "value", "chance", "baseline", "n")
        lines += ["", "## Measured", "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
        lines += ["| " + " | ".join(str(r.get(c, "")) for c in columns) + " |" for r in card.results]
    return "\n".join(lines) + "\n"


def _rows(card: ModelCard) -> list[str]:
    """What only some cards state: heads, frames and layer, faster precisions, the windows of the paper."""
    of = "" if card.layer is None else f", of layer {card.layer}"
    rows = [f"| frames | {card.frame_rate:.4g} a second{of} |"] if card.frame_rate is not None else []
    rows += [
        f"| {precision} | cosine to fp32 at least {agreed['cosine']:g}: {agreed['measured']} |"
        for precision, agreed in card.agreement.items()
    ]
    if card.features.get("heads"):
        rows.insert(0, f"| hears | {', '.join(card.features['heads'])} |")
    if card.published:
        rows.append(f"| published windows | {card.published.get('note') or 'as the card says'} |")
    return rows
