"""Servers on this machine that behave like those that models come from: a plain one with files, and a hub."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Site:
    """What a server has, how it behaves, and what it was asked.

    Attributes:
        files: path → content.
        ranges: whether `Range` is understood.
        etags: whether files carry an ETag.
        cut: the connection ends after so many bytes of a body, once for each entry.
        failures: status codes to answer with, once each.
        asked: (method, path, headers) of every request.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    etags: bool = True
    cut: list[int] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    url: str = ""
    # Of a hub: repository → revision → commit, and commit → its files.
    refs: dict[str, dict[str, str]] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    objects: dict[str, bytes] = field(default_factory=dict)

    def ranges_asked(self) -> list[str]:
        return [headers["range"] for _, _, headers in self.asked if "range" in headers]

    def commit(self, repo: str, files: dict[str, bytes], revision: str = "main") -> str:
        """Put files on the hub; the hash of the commit."""
        content = json.dumps([repo, len(self.commits), sorted(files)])
        name = hashlib.sha1(content.encode()).hexdigest()
        self.commits[name] = files
        self.refs.setdefault(repo, {})[revision] = name
        return name


class Files(BaseHTTPRequestHandler):
    """Serves `site.files`, whole or in ranges."""

    protocol_version = "HTTP/1.1"
    site: Site

    def log_message(self, *_: Any) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def note(self) -> str:
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        self.site.asked.append((self.command, path, {k.lower(): v for k, v in self.headers.items()}))
        return path

    def answer(self, code: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.note()
        if self.site.failures:
            self.answer(self.site.failures.pop(0))
        elif path in self.site.redirects:
            self.answer(302, Location=self.site.redirects[path])
        elif path in self.site.files:
            self.send_file(self.site.files[path])
        else:
            self.answer(404)

    def send_file(self, data: bytes, **headers: str) -> None:
        etag = f'"{hashlib.md5(data).hexdigest()}"'
        if self.site.etags:
            headers = {"ETag": etag, **headers}
        span = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start, code = 0, 200
        if span and self.site.ranges and self.headers.get("If-Range", etag) == etag:
            start, code = int(span[1]), 206
            if start >= len(data):
                self.answer(416, Content_Range=f"bytes */{len(data)}")
                return
            headers["Content_Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        body = data[start:]
        if self.command == "GET" and self.site.cut:
            body = body[: self.site.cut.pop(0)]
            self.close_connection = True
        self.answer(code, body, Content_Length=str(len(data) - start), **headers)


class Hub(Files):
    """The few addresses of the Hugging Face hub that reading and writing a model needs.

    Large files lie elsewhere, as on the hub: `localhost` in place of `127.0.0.1`.
    """

    def do_GET(self) -> None:
        path = self.note()
        if self.site.failures:
            self.answer(self.site.failures.pop(0))
            return
        if path.startswith("/cdn/"):
            self.send_file(self.site.objects[path.removeprefix("/cdn/")])
            return
        asked = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        repo, revision, name = asked.groups() if asked else ("", "", "")
        if repo in self.site.gated and "authorization" not in {k.lower() for k in self.headers}:
            self.answer(403, X_Error_Code="GatedRepo")
        elif repo not in self.site.refs:
            self.answer(404, X_Error_Code="RepoNotFound")
        else:
            commit = self.site.refs[repo].get(revision, revision)
            if commit not in self.site.commits:
                self.answer(404, X_Error_Code="RevisionNotFound")
            elif name not in self.site.commits[commit]:
                self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
            else:
                self.resolve(self.site.commits[commit][name], name, commit)

    def resolve(self, data: bytes, name: str, commit: str) -> None:
        if not name.endswith(".safetensors"):
            blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            self.send_file(data, ETag=f'"{blob}"', X_Repo_Commit=commit)
            return
        sha256 = hashlib.sha256(data).hexdigest()
        self.site.objects[sha256] = data
        self.answer(
            302,
            Location=f"{self.site.url.replace('127.0.0.1', 'localhost')}/cdn/{sha256}?signed={len(self.site.asked)}",
            X_Repo_Commit=commit,
            X_Linked_Etag=f'"{sha256}"',
            X_Linked_Size=str(len(data)),
        )

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def reply(self, value: Any) -> None:
        self.answer(200, json.dumps(value).encode(), Content_Type="application/json")

    def do_PUT(self) -> None:
        path, data = self.note(), self.body()
        oid = path.removeprefix("/upload/")
        assert hashlib.sha256(data).hexdigest() == oid
        self.site.objects[oid] = data
        self.answer(200)

    def do_POST(self) -> None:
        path, data = self.note(), self.body()
        if "authorization" not in {k.lower() for k in self.headers}:
            self.answer(401)
        elif path == "/api/repos/create":
            asked = json.loads(data)
            self.site.refs.setdefault(f"{asked['organization']}/{asked['name']}", {})
            self.reply({"url": f"{self.site.url}/{asked['organization']}/{asked['name']}"})
        elif path == "/api/validate-yaml":
            assert json.loads(data)["content"].startswith("---\nlicense: ")
            self.reply({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            modes = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
                    "shouldIgnore": False,
                }
                for file in json.loads(data)["files"]
            ]
            self.reply({"files": modes})
        elif path.endswith("/info/lfs/objects/batch"):
            upload = {"href": f"{self.site.url}/upload/"}
            wanted = json.loads(data)["objects"]
            self.reply(
                {
                    "transfer": "basic",
                    "objects": [
                        {**thing, "actions": {"upload": {"href": upload["href"] + thing["oid"]}}} for thing in wanted
                    ],
                }
            )
        elif "/commit/" in path:
            repo, revision = path.removeprefix("/api/models/").split("/commit/")
            files = {}
            for line in data.decode().splitlines():
                entry = json.loads(line)
                value = entry["value"]
                if entry["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif entry["key"] == "lfsFile":
                    files[value["path"]] = self.site.objects[value["oid"]]
            commit = self.site.commit(repo, files, revision)
            self.reply(
                {"commitUrl": f"{self.site.url}/{repo}/commit/{commit}", "commitOid": commit, "pullRequestUrl": None}
            )
        else:
            self.answer(404)


@contextmanager
def serving(handler: type[Files]) -> Iterator[Site]:
    """Run a server while the block runs."""
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (handler,), {"site": site}))
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
