"""Model folders on the Hugging Face hub (`hf:org/name`, `hf:org/name@revision`), and weights at their authors' address.

Three files make a model folder, and no others are fetched: `config.json`, `model.safetensors`, `README.md`. Nothing in
them is code. A folder is complete under `CACHE/hub/org--name/snapshots/COMMIT`, or not there; without a network the
last one fetched is used. The hub is asked through `huggingface_hub` (so that `HF_ENDPOINT`, `HF_TOKEN` and
`HF_HUB_OFFLINE` hold); files come by `ohrwurm.transfer`, which resumes and checks them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import os
import re
import shutil
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ohrwurm.atomic import replacing_folder, write_text
from ohrwurm.checksums import sha256 as sha256_of
from ohrwurm.errors import ModelError, TransferError
from ohrwurm.folders import cache_folder
from ohrwurm.models import registry
from ohrwurm.models.base import ModelCard
from ohrwurm.models.convert import Conversion, check_target, convert
from ohrwurm.transfer import Fetched, Progress, fetch, mirror_folder

FILES = ("config.json", "model.safetensors", "README.md")
REQUIRED = FILES[:2]
_REFERENCE = re.compile(r"hf:(?P<repo>[\w.-]+/[\w.-]+?)(@(?P<revision>[\w./-]+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reference:
    """`hf:org/name@revision`; the revision is a branch, a tag or a commit.

    >>> Reference.parse("hf:someone/their-model@v2")
    Reference(repo='someone/their-model', revision='v2')
    >>> Reference.parse("hf:their-model")
    Traceback (most recent call last):
        ...
    ohrwurm.errors.ModelError: hf:their-model: a model on the hub is hf:org/name or hf:org/name@revision
    """

    repo: str
    revision: str = "main"

    @classmethod
    def parse(cls, text: str) -> Reference:
        found = _REFERENCE.fullmatch(text)
        if found is None or ".." in text:
            raise ModelError(f"{text}: a model on the hub is hf:org/name or hf:org/name@revision")
        return cls(found["repo"], found["revision"] or "main")


@dataclass(frozen=True)
class Downloaded:
    """What `download` brought: a model folder, or a file.

    Attributes:
        sha256: of the weights, or of the file.
        checked: whether it was compared with one that its author states.
        conversion: what became of a published checkpoint's tensors, where there was one.
    """

    path: Path
    sha256: str
    checked: bool
    conversion: Conversion | None = None


def folder(reference: str, mirror: str | Path | None = None, progress: Progress | None = None) -> Path:
    """The model folder `hf:org/name[@revision]` on this machine, fetched if need be.

    A mirror folder that has it as `org/name` (or `org/name@revision`) is asked first.

    Raises:
        ModelError: no such form, or what is there is no model folder.
        TransferError: not on the hub, no network and not fetched before, damaged on the way.
    """
    wanted = Reference.parse(reference)
    mirrored = _mirrored(wanted, mirror)
    if mirrored is not None:
        return mirrored
    home = cache_folder() / "hub" / wanted.repo.replace("/", "--")
    known = home / "refs" / urllib.parse.quote(wanted.revision, safe="")
    if _COMMIT.fullmatch(wanted.revision) and _complete(home / "snapshots" / wanted.revision):
        return home / "snapshots" / wanted.revision
    try:
        config = _ask(wanted, "config.json")
    except TransferError as error:
        commit = known.read_text(encoding="utf-8").strip() if known.is_file() else ""
        if isinstance(error, NotThere) or not _complete(home / "snapshots" / commit):
            raise
        log.warning("%s. Going on with the one fetched before (commit %s).", error, commit[:12])
        return home / "snapshots" / commit
    target = home / "snapshots" / config.commit_hash
    if not _complete(target):
        _fetch_snapshot(reference, dataclasses.replace(wanted, revision=config.commit_hash), home, target, progress)
    write_text(known, config.commit_hash)
    return target


def _complete(snapshot: Path) -> bool:
    return snapshot.name != "snapshots" and all((snapshot / name).is_file() for name in REQUIRED)


def _mirrored(wanted: Reference, mirror: str | Path | None) -> Path | None:
    root = mirror_folder(mirror)
    if root is None:
        return None
    names = [f"{wanted.repo}@{wanted.revision}", *([wanted.repo] if wanted.revision == "main" else [])]
    return next((root / name for name in names if _complete(root / name)), None)


def _fetch_snapshot(
    reference: str, wanted: Reference, home: Path, target: Path, progress: Progress | None
) -> None:  # fmt: skip
    """All files of one commit, in a folder of their own until they are complete."""
    arriving = home / "arriving" / wanted.revision
    for name in FILES:
        try:
            about = _ask(wanted, name)
        except NotThere:
            if name in REQUIRED:
                raise
            continue
        headers = _headers() if _same_host(about.location, _endpoint()) else {}
        sha256 = about.etag if re.fullmatch(r"[0-9a-f]{64}", about.etag or "") else ""
        fetch(about.location, arriving / name, sha256=sha256, headers=headers, mirror=None, progress=progress)
    try:
        _check(reference, arriving)
    except ModelError:
        shutil.rmtree(arriving)
        raise
    if not _complete(target):  # another process may have been faster
        target.parent.mkdir(parents=True, exist_ok=True)
        arriving.rename(target)


def _check(reference: str, found: Path) -> ModelCard:
    """The card of a folder, if its weights are the ones that the card names."""
    card = registry.card(found)
    weights = sha256_of(found / "model.safetensors")
    if card.sha256 and weights != card.sha256:
        raise ModelError(
            f"{reference}: model.safetensors has SHA-256 {weights}, config.json names {card.sha256}. "
            "They do not belong together: tell its author."
        )
    return card


class NotThere(TransferError):
    """The hub answers that there is no such thing, or none for you."""


def _hub() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise ModelError("models on the hub need huggingface_hub: pip install 'ohrwurm[hub]'") from error
    return huggingface_hub


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def _headers() -> dict[str, str]:
    from huggingface_hub.utils import build_hf_headers

    return {k: v for k, v in build_hf_headers(library_name="ohrwurm").items() if k.lower() == "authorization"}


def _same_host(one: str, other: str) -> bool:
    return urllib.parse.urlsplit(one)[:2] == urllib.parse.urlsplit(other)[:2]


def _ask(wanted: Reference, name: str) -> Any:
    """What the hub says of a file: commit, ETag (the SHA-256 of large ones), size, and where it lies."""
    hub = _hub()
    from huggingface_hub import errors

    address = hub.hf_hub_url(wanted.repo, name, revision=wanted.revision, endpoint=_endpoint())
    shown = f"hf:{wanted.repo}@{wanted.revision}"
    try:
        about = hub.get_hf_file_metadata(address, timeout=10)
    except errors.GatedRepoError as error:
        raise NotThere(f"{shown}: its authors ask you to accept their terms on {_endpoint()}/{wanted.repo}") from error
    except errors.RepositoryNotFoundError as error:
        raise NotThere(f"{shown}: no such model at {_endpoint()}, or not for you (log in: hf auth login)") from error
    except errors.RevisionNotFoundError as error:
        raise NotThere(f"{shown}: no such revision") from error
    except errors.EntryNotFoundError as error:
        raise NotThere(f"{shown}: has no {name}. Is it a model folder of ohrwurm?") from error
    except Exception as error:  # of whichever HTTP library huggingface_hub uses in its installed version
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise TransferError(
            f"{shown}: the hub at {_endpoint()} cannot be reached ({first}). Without a network, give a folder that "
            "has the model as org/name: --mirror or OHRWURM_MIRROR."
        ) from error
    if not about.commit_hash:
        raise TransferError(f"{shown}: {_endpoint()} answers, but not as a hub does. Check HF_ENDPOINT and proxies.")
    return about


def push(source: str | Path, reference: str, private: bool = False, message: str = "") -> str:
    """Upload a model folder to the hub; returns the address of the commit. The repository is made if need be.

    Raises:
        ModelError: it is no model folder, its weights are not those of its card, or its encoder is not in it and lies
            on this machine alone.
        TransferError: the hub refuses, or cannot be reached.
    """
    wanted = Reference.parse(reference)
    source = Path(source)
    if not _complete(source):
        raise ModelError(f"{source}: no model folder (it needs {' and '.join(REQUIRED)})")
    card = _check(str(source), source)
    for place in (card.parameters.get("found_at") or {}).values():
        if Path(place).is_absolute():  # nobody else has it, and where it lies is nobody else's business
            raise ModelError(
                f"{source}: holds heads alone; their encoder is {place}, on this machine. Push that first and train "
                "the heads on it by its hf: name, or train them with task.own_encoder=true"
            )
    registry.load(source)  # what does not load here loads nowhere
    hub = _hub()
    api = hub.HfApi(endpoint=_endpoint(), library_name="ohrwurm")
    operations = [
        hub.CommitOperationAdd(path_in_repo=name, path_or_fileobj=str(source / name))
        for name in FILES
        if (source / name).is_file()
    ]
    try:
        api.create_repo(wanted.repo, private=private, exist_ok=True)
        commit = api.create_commit(
            wanted.repo,
            operations,
            commit_message=message or f"Upload {card.name} ({card.sha256[:12]})",
            revision=wanted.revision,
        )
    except Exception as error:  # of whichever HTTP library huggingface_hub uses in its installed version
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise TransferError(
            f"{reference}: not uploaded to {_endpoint()} ({first}). "
            "Are you logged in (hf auth login), and may you write there?"
        ) from error
    return str(commit.commit_url)


def download(
    what: str,
    out: str | Path | None = None,
    *,
    mirror: str | Path | None = None,
    sha256: str = "",
    progress: Progress | None = None,
) -> Downloaded:
    """Fetch a model, or a file, to this machine.

    Args:
        what: a registered model (its authors' checkpoint is fetched and converted), `hf:org/name[@revision]`, or the
            address of a file.
        out: the model folder, or the file; by default in the cache, where `load` finds models by name.
        mirror: a folder that is asked first, see `ohrwurm.transfer.fetch`; `OHRWURM_MIRROR` unless given.
        sha256: of the file, where it is known; a card's own takes its place for models by name.
        progress: called with (bytes, total bytes or 0).

    Raises:
        ModelError: unknown, nothing to fetch, or it does not fit.
        TransferError: it could not be fetched.
    """
    if what.startswith("hf:"):
        place = check_target(out) if out is not None else None
        found = folder(what, mirror, progress)
        if place is not None:
            with replacing_folder(place) as temporary:
                for name in FILES:
                    if (found / name).is_file():
                        shutil.copyfile(found / name, temporary / name)
        return Downloaded(place or found, registry.card(found).sha256, checked=True)
    if "://" in what:
        target = Path(out) if out is not None else _cached_file(what)
        if target.is_dir():
            target = target / _cached_file(what).name
        fetched = fetch(what, target, sha256=sha256, mirror=mirror, progress=progress)
        return Downloaded(fetched.path, fetched.sha256, fetched.checked)
    return _download_published(what, out, mirror, sha256, progress)


def _cached_file(url: str) -> Path:
    name = Path(urllib.parse.unquote(urllib.parse.urlsplit(url).path)).name or "download"
    return cache_folder() / "downloads" / hashlib.sha256(url.encode()).hexdigest()[:16] / name


def _fetch_once(url: str, sha256: str, mirror: str | Path | None, progress: Progress | None) -> Fetched:
    """The file in the cache. Where no checksum is stated, the one found the first time tells whether it is whole."""
    target = _cached_file(url)
    noted = target.with_name(target.name + ".sha256")
    if sha256 or not (target.is_file() and noted.is_file()):
        fetched = fetch(url, target, sha256=sha256, mirror=mirror, progress=progress)
        write_text(noted, fetched.sha256)
        return fetched
    known = noted.read_text(encoding="utf-8").strip()
    return dataclasses.replace(fetch(url, target, sha256=known, mirror=mirror, progress=progress), checked=False)


def _download_published(
    name: str, out: str | Path | None, mirror: str | Path | None, sha256: str, progress: Progress | None
) -> Downloaded:
    card = registry.card(name) if name in registry.bundled() else registry.registered(name)
    if name in registry.bundled() or not card.features.get("learned", True):
        raise ModelError(f"{name}: nothing to download, it is part of ohrwurm. load({name!r}) gives it.")
    target = check_target(out if out is not None else registry.cached(name))
    root = mirror_folder(mirror)
    if root is not None and _complete(root / name):
        with replacing_folder(target) as temporary:
            for file in FILES:
                if (root / name / file).is_file():
                    shutil.copyfile(root / name / file, temporary / file)
            found = _check(name, temporary)
        return Downloaded(target, found.sha256, checked=bool(found.sha256))
    url = card.weights.get("url", "")
    if not url:
        raise ModelError(
            f"{name}: its authors give no address that a program can fetch from. Get the checkpoint yourself "
            f"({card.source or card.paper}), then: ohrwurm models convert FILE --as {name}"
        )
    fetched = _fetch_once(url, sha256 or card.weights.get("sha256", ""), mirror, progress)
    # Where the authors state no checksum, the one computed is written down: who comes later can compare.
    weights = {**card.weights, "sha256": fetched.sha256}
    _, conversion = convert(fetched.path, name, target, weights)
    return Downloaded(target, fetched.sha256, fetched.checked, conversion)
