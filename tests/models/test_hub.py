"""Models on the hub: three files, no code, checked, kept for when there is no network; and the way up."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
import yaml
from servers import Files, Hub, Site, serving
from small_headed import SPECS, small_encoder

import ohrwurm
from ohrwurm import transfer
from ohrwurm.errors import ModelError, TransferError
from ohrwurm.models import hub, registry
from ohrwurm.models.base import ModelCard
from ohrwurm.models.headed import HeadedEncoder

REPO = "someone/pitch"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OHRWURM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(transfer, "PAUSE", 0.0)
    return tmp_path / "cache"


@pytest.fixture
def site(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A hub on this machine with one model on it; nobody is logged in."""
    with serving(Hub) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        # huggingface_hub reads HF_ENDPOINT once, when it is imported.
        template = f"{running.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", running.url)
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(cache / "no-token"))
        monkeypatch.delenv("HF_TOKEN", raising=False)
        running.commit(REPO, model_files())
        yield running


def model_files() -> dict[str, bytes]:
    """The bundled pitchnet as a repository, with files beside it that nobody asked for."""
    folder = registry.WEIGHTS / "pitchnet"
    files = {p.name: p.read_bytes() for p in folder.iterdir()}
    return files | {"modeling.py": b"raise SystemExit('run')", "pytorch_model.bin": b"a pickle"}


def asked_for(site: Site) -> set[str]:
    return {path.split("/")[-1] for _, path, _ in site.asked}


def test_model_on_the_hub_loads_and_is_the_same(site: Site) -> None:
    model, bundled = ohrwurm.load(f"hf:{REPO}"), ohrwurm.load("pitchnet")
    waveform = torch.randn(1, 22050)
    with torch.inference_mode():
        assert torch.equal(model(waveform).pooled, bundled(waveform).pooled)
    assert model.card.provenance == bundled.card.provenance
    assert registry.card(f"hf:{REPO}").name == "pitchnet"


def test_nothing_but_the_three_files_is_fetched(site: Site, cache: Path) -> None:
    folder = hub.folder(f"hf:{REPO}")
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    assert asked_for(site).isdisjoint({"modeling.py", "pytorch_model.bin"})


def test_second_time_only_asks_and_without_network_not_even_that(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    first = hub.folder(f"hf:{REPO}")
    site.asked.clear()
    assert hub.folder(f"hf:{REPO}") == first
    assert [(method, path.split("/")[-1]) for method, path, _ in site.asked] == [("HEAD", "config.json")]
    site.failures = [503] * 20
    assert hub.folder(f"hf:{REPO}") == first
    assert "Going on with the one fetched before" in caplog.text
    site.failures.clear()


def test_offline_switch_of_the_hub_holds(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    first = hub.folder(f"hf:{REPO}")
    site.asked.clear()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    huggingface_hub.close_session()
    try:
        assert hub.folder(f"hf:{REPO}") == first
        assert site.asked == []
    finally:
        monkeypatch.undo()
        huggingface_hub.close_session()


def test_new_commit_is_taken_and_an_old_one_can_be_named(site: Site) -> None:
    old = hub.folder(f"hf:{REPO}")
    files = model_files()
    files["config.json"] = files["config.json"].replace(b'"version": "1"', b'"version": "2"')
    commit = site.commit(REPO, files)
    site.refs[REPO]["v1"] = old.name
    assert registry.card(f"hf:{REPO}").version == "2"
    assert registry.card(f"hf:{REPO}@v1").version == "1"
    site.asked.clear()
    assert hub.folder(f"hf:{REPO}@{commit}").name == commit
    assert hub.folder(f"hf:{REPO}@{old.name}") == old
    assert site.asked == [], "a commit never changes: nothing to ask"


def test_broken_transfer_goes_on_and_login_stays_with_the_hub(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    size = len(model_files()["config.json"])
    site.cut = [size, 50_000, *[0] * 5]  # config.json whole, then the weights in part
    with pytest.raises(TransferError, match="run again to go on"):
        hub.folder(f"hf:{REPO}")
    site.cut.clear()
    site.asked.clear()
    ohrwurm.load(f"hf:{REPO}")
    assert site.ranges_asked() == ["bytes=50000-"]
    signed = [headers for _, path, headers in site.asked if path.startswith("/cdn/")]
    assert signed
    assert all("authorization" not in headers for headers in signed), "the files lie with others"
    assert any(headers.get("authorization") == "Bearer hf_test" for _, _, headers in site.asked)


def test_weights_that_are_not_the_cards_are_refused(site: Site, cache: Path) -> None:
    files = model_files()
    files["model.safetensors"] = (registry.WEIGHTS / "ohrwurm-versions" / "model.safetensors").read_bytes()
    site.commit(REPO, files)
    for _ in range(2):
        with pytest.raises(ModelError, match="do not belong together"):
            hub.folder(f"hf:{REPO}")
    assert not list((cache / "hub").glob("*/snapshots/*"))


@pytest.mark.parametrize(
    "reference, error, said",
    [
        ("hf:nobody/none", TransferError, "no such model"),
        (f"hf:{REPO}@v9", TransferError, "no such revision"),
        ("hf:someone/other", TransferError, "has no config.json. Is it a model folder of ohrwurm?"),
        ("hf:someone/half", TransferError, "has no model.safetensors"),
        ("hf:someone/gated", TransferError, "accept their terms"),
        ("hf:name", ModelError, "hf:org/name or hf:org/name@revision"),
        ("hf:../../etc", ModelError, "hf:org/name or"),
    ],
)
def test_refusals_of_the_hub_say_what_to_do(site: Site, reference: str, error: type[Exception], said: str) -> None:
    site.commit("someone/other", {"weights.bin": b"x"})
    site.commit("someone/half", {"config.json": b"{}"})
    site.gated.add("someone/gated")
    with pytest.raises(error, match=said):
        ohrwurm.load(reference)


def test_no_network_and_nothing_fetched_before_is_said(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Hub) as gone:
        monkeypatch.setenv("HF_ENDPOINT", gone.url)
    with pytest.raises(TransferError, match=r"cannot be reached.*--mirror or OHRWURM_MIRROR"):
        ohrwurm.load(f"hf:{REPO}")


def test_mirror_folder_takes_the_hubs_place(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OHRWURM_MIRROR", str(tmp_path / "mirror"))
    registry.save(registry.load("pitchnet"), tmp_path / "mirror" / REPO)
    registry.save(registry.load("ohrwurm-versions"), tmp_path / "mirror" / f"{REPO}@v2")
    assert ohrwurm.load(f"hf:{REPO}").card.name == "pitchnet"
    assert ohrwurm.load(f"hf:{REPO}@v2").card.name == "ohrwurm-versions"
    with pytest.raises(TransferError, match="cannot be reached"):
        ohrwurm.load(f"hf:{REPO}@v3")


def test_pushed_model_comes_back_the_same(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = registry.load("ohrwurm-versions", hop=7.0)
    registry.save(model, tmp_path / "mine")
    (tmp_path / "mine" / "notes.txt").write_text("private")
    with pytest.raises(TransferError, match="Are you logged in"):
        hub.push(tmp_path / "mine", "hf:me/mine")
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    address = hub.push(tmp_path / "mine", "hf:me/mine", message="First")
    assert address.startswith(f"{site.url}/me/mine/commit/")
    sent = site.commits[site.refs["me/mine"]["main"]]
    assert set(sent) == {"config.json", "model.safetensors", "README.md"}
    metadata = yaml.safe_load(sent["README.md"].decode().split("---\n")[1])
    assert metadata["library_name"] == "ohrwurm"
    assert metadata["license"] == "apache-2.0"
    assert "version-identification" in metadata["tags"]
    again = ohrwurm.load("hf:me/mine")
    assert again.card == registry.card(tmp_path / "mine")
    assert again.card.hop == 7.0


def test_only_whole_model_folders_are_pushed(site: Site, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model folder"):
        hub.push(tmp_path, "hf:me/mine")
    folder = registry.save(registry.load("pitchnet"), tmp_path / "mine")
    (folder / "model.safetensors").write_bytes(b"other")
    with pytest.raises(ModelError, match="do not belong together"):
        hub.push(folder, "hf:me/mine")
    encoder = registry.save(small_encoder(), tmp_path / "encoder")
    place = {"model": str(encoder)}
    probe = HeadedEncoder.around(registry.load(encoder), SPECS[:1], name="p", own_encoder=False, found_at=place)
    with pytest.raises(ModelError, match="Push that first"):
        hub.push(registry.save(probe, tmp_path / "probe"), "hf:me/mine")
    assert site.asked == []


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Site, ModelCard]]:
    """A registered model whose authors published an archive with its checkpoint."""
    source = registry.card("pitchnet")
    checkpoint = tmp_path / "best.pth"
    torch.save({"state_dict": registry.load("pitchnet").state_dict()}, checkpoint)
    with tarfile.open(tmp_path / "release.tar.gz", "w:gz") as archive:
        archive.add(checkpoint, "release/best.pth")
        archive.add(checkpoint, "release/last.pth")
    with serving(Files) as site:
        site.files["/release.tar.gz"] = (tmp_path / "release.tar.gz").read_bytes()
        weights = {"url": f"{site.url}/release.tar.gz", "file": "release/best.pth"}
        card = dataclasses.replace(source, name="their-pitchnet", sha256="", results=(), weights=weights)
        monkeypatch.setitem(registry._cards, card.name, card)
        yield site, card


def test_published_model_is_downloaded_by_name(published: tuple[Site, ModelCard], cache: Path) -> None:
    site, _ = published
    with pytest.raises(ModelError, match="ohrwurm models download their-pitchnet"):
        ohrwurm.load("their-pitchnet")
    done = hub.download("their-pitchnet")
    assert not done.checked
    assert done.sha256 == hashlib.sha256(site.files["/release.tar.gz"]).hexdigest()
    assert done.conversion is not None
    assert len(done.conversion.mapped) == len(registry.load("pitchnet").state_dict())
    model = ohrwurm.load("their-pitchnet")
    assert model.card.weights["sha256"] == done.sha256, "who comes later can compare"
    waveform = torch.randn(1, 22050)
    with torch.inference_mode():
        assert torch.equal(model(waveform).pooled, ohrwurm.load("pitchnet")(waveform).pooled)


def test_archive_of_several_models_is_fetched_once(
    published: tuple[Site, ModelCard], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, card = published
    sibling = dataclasses.replace(card, name="their-last", weights={**card.weights, "file": "release/last.pth"})
    monkeypatch.setitem(registry._cards, "their-last", sibling)
    first = hub.download("their-pitchnet")
    second = hub.download("their-last")
    assert len(site.asked) == 1
    assert first.sha256 == second.sha256
    assert not second.checked, "known from the first time is not stated by its author"
    kept = next((cache / "downloads").rglob("release.tar.gz"))
    kept.write_bytes(b"damaged since")
    assert hub.download("their-last", tmp_path / "again").sha256 == first.sha256
    assert len(site.asked) == 2


def test_stated_checksum_holds_for_models_by_name(
    published: tuple[Site, ModelCard], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, card = published
    known = hashlib.sha256(site.files["/release.tar.gz"]).hexdigest()
    for sha256 in (known, "0" * 64):
        stated = dataclasses.replace(card, weights={**card.weights, "sha256": sha256})
        monkeypatch.setitem(registry._cards, card.name, stated)
        if sha256 == known:
            assert hub.download(card.name, tmp_path / "model").checked
            assert registry.load(tmp_path / "model").card.name == card.name
        else:
            with pytest.raises(TransferError, match="SHA-256"):
                hub.download(card.name, tmp_path / "other")
            assert not (tmp_path / "other").exists()


def test_models_without_an_address_say_where_to_go(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="part of ohrwurm"):
        hub.download("ohrwurm-text")
    card = dataclasses.replace(registry.card("pitchnet"), name="theirs", weights={}, source="https://drive.example")
    monkeypatch.setitem(registry._cards, "theirs", card)
    with pytest.raises(ModelError, match=r"drive\.example.*ohrwurm models convert FILE --as theirs"):
        hub.download("theirs")


def test_mirror_has_models_by_name_too(published, cache: Path, tmp_path: Path) -> None:
    site, card = published
    registry.save(registry.load("pitchnet"), tmp_path / "mirror" / card.name)
    done = hub.download(card.name, mirror=tmp_path / "mirror")
    assert done.checked
    assert site.asked == []
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "release.tar.gz").write_bytes(site.files["/release.tar.gz"])
    assert hub.download(card.name, tmp_path / "again", mirror=tmp_path / "flat").conversion is not None
    assert site.asked == []


def test_download_of_a_hub_model_and_of_a_file(site: Site, cache: Path, tmp_path: Path) -> None:
    done = hub.download(f"hf:{REPO}", tmp_path / "model")
    assert done.path == tmp_path / "model"
    assert registry.load(done.path).card.sha256 == done.sha256
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "song.flac").write_bytes(b"dear")
    with pytest.raises(ModelError, match="would be lost"):
        hub.download(f"hf:{REPO}", tmp_path / "music")
    address = f"{site.url}/{REPO}/resolve/main/config.json"
    assert json.loads(hub.download(address).path.read_text())["name"] == "pitchnet"
    assert hub.download(address, tmp_path / "music").path == tmp_path / "music" / "config.json"
    assert hub.download(address, tmp_path / "card.json").path.is_file()
