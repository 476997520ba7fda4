"""`ohrwurm serve` as a person runs it: it says where it is, what is wrong, and stops when asked."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ohrwurm.cli import app
from ohrwurm.cli.serve import is_loopback, listen, page_address
from ohrwurm.collection import Collection
from ohrwurm.errors import OhrwurmError


def test_it_serves_until_interrupted(collection: Collection) -> None:
    command = [sys.executable, "-m", "ohrwurm", "serve", "--collection", str(collection.path), "--port", "0"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("5 tracks of "), process.communicate(timeout=30)
        address = next(word for word in line.split() if word.startswith("http://127.0.0.1:"))
        with urllib.request.urlopen(address + "api/status", timeout=30) as answer:
            assert json.load(answer)["tracks"] == 5
        with urllib.request.urlopen(address, timeout=30) as answer:
            assert b"<title>Ohrwurm</title>" in answer.read()
        # The tiny model exists in the tests only: the server lives on and says what is missing.
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(address + "api/search?q=high", timeout=30)
        assert refused.value.code == 409
        assert "no model named" in json.load(refused.value)["error"]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) in {0, 130}
    finally:
        process.kill()
        process.communicate()


def test_a_taken_port_is_told(collection: Collection) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = CliRunner().invoke(app, ["serve", "--collection", str(collection.path), "--port", str(port)])
    assert done.exit_code == 1
    assert f"port {port} is taken" in done.stderr
    assert "--port 0" in done.stderr


def test_a_missing_collection_is_told(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["serve", "--collection", str(tmp_path / "none"), "--port", "0"])
    assert done.exit_code == 1
    assert "ohrwurm index" in done.stderr


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_a_foreign_host_is_told(host: str) -> None:
    with pytest.raises(OhrwurmError, match="this machine"):
        listen(host, 0)


def test_only_loopback_counts_as_private() -> None:
    with listen("127.0.0.1", 0) as private, listen("0.0.0.0", 0) as public:
        assert is_loopback(private)
        assert not is_loopback(public)
        assert page_address(public).startswith("http://127.0.0.1:")
