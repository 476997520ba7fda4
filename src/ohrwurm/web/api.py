"""Collection → JSON API and page.

Every answer is JSON; an error is ``{"error": "what happened, and what to do next"}`` with the fitting status. Tracks
are named by their id alone: no request carries a path, so nothing outside the collection can be reached.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import random
import re
import tempfile
import threading
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import anyio
from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as StarletteHTTPException

from ohrwurm import __version__
from ohrwurm.collection import Collection, Track
from ohrwurm.collection.conditions import both, narrowed
from ohrwurm.errors import AudioError, CollectionError, ModelError, OhrwurmError, ProvenanceError
from ohrwurm.web.playback import Form, audio_response
from ohrwurm.web.security import LocalOnly

STATIC = Path(__file__).parent / "static"
MAX_UPLOAD = 256 << 20  # bytes; an hour of CD audio is 635 MB, but a song of ten minutes 106 MB
MAX_RESULTS = 200

log = logging.getLogger(__name__)

Words = Annotated[list[str], Query(max_length=8)]
Count = Annotated[int, Query(ge=1, le=MAX_RESULTS)]
Key = Annotated[str, Query(max_length=20, description="'D minor', 'F#m', 'D' or 'minor'")]
Bpm = Annotated[str, Query(max_length=20, description="'118-122', '118-', '-122' or '120'")]


def create_app(collection: Collection, *, names: Iterable[str] = (), max_upload: int = MAX_UPLOAD) -> FastAPI:
    """The web application over an open collection.

    The models load in the background when the server starts, so that the page is there at once.

    Args:
        collection: what is searched; the application only reads it.
        names: host names to answer to, besides `localhost` and IP addresses (see `ohrwurm.web.security`).
        max_upload: bytes of a recording that is searched by.

    Returns:
        An ASGI application; `uvicorn.run(create_app(Collection("~/music.ohrwurm")))` serves it.
    """
    room = Room(collection)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        threading.Thread(target=room.warm, name="load-models", daemon=True).start()
        yield

    app = FastAPI(title="Ohrwurm", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(LocalOnly, names=tuple(names))
    _add_errors(app)

    @app.get("/api/status")
    def status() -> dict[str, Any]:
        """How many tracks, which models, and whether the models are loaded."""
        return room.status()

    @app.get("/api/search")
    def search(
        q: Words = [],  # noqa: B006 (FastAPI copies defaults)
        without: Annotated[list[str], Query(alias="not", max_length=8)] = [],  # noqa: B006
        like: Words = [],  # noqa: B006
        where: str = "",
        key: Key = "",
        bpm: Bpm = "",
        k: Count = 20,
    ) -> dict[str, Any]:
        """Tracks that sound like the words `q` and the tracks `like` (ids), and not like the words `not`."""
        where = narrowed(where, key=key or None, bpm=bpm or None)
        return room.search(_texts(q), [room.track(id).content for id in _texts(like)], _texts(without), where, k)

    @app.post("/api/search-by-file")
    async def search_by_file(
        request: Request,
        name: Annotated[str, Query(max_length=255)] = "recording",
        q: Words = [],  # noqa: B006
        without: Annotated[list[str], Query(alias="not", max_length=8)] = [],  # noqa: B006
        where: str = "",
        key: Key = "",
        bpm: Bpm = "",
        k: Count = 20,
    ) -> dict[str, Any]:
        """Tracks that sound like the recording in the request body (the bytes of the file itself)."""
        where = narrowed(where, key=key or None, bpm=bpm or None)
        with tempfile.TemporaryDirectory(prefix="ohrwurm-") as folder:
            file = Path(folder) / f"upload{_suffix(name)}"
            await _receive(request, file, max_upload)
            try:
                return await anyio.to_thread.run_sync(room.search, _texts(q), [file], _texts(without), where, k)
            # Errors name the file as the person knows it, not our temporary one.
            except AudioError as error:
                raise AudioError(name, error.reason, error.detail.replace(str(file), name)) from error
            except CollectionError as error:
                raise CollectionError(str(error).replace(str(file), name)) from error

    @app.get("/api/versions/{id}")
    def versions(id: str, where: str = "", key: Key = "", bpm: Bpm = "", k: Count = 20) -> dict[str, Any]:
        """Other recordings of the same work, nearest first."""
        return room.versions(id, narrowed(where, key=key or None, bpm=bpm or None), k)

    @app.get("/api/tracks")
    def tracks(where: str = "", key: Key = "", bpm: Bpm = "", k: Count = 6) -> dict[str, Any]:
        """A random few of the tracks, to start from."""
        return room.some(narrowed(where, key=key or None, bpm=bpm or None), k)

    @app.get("/api/track/{id}")
    def track(id: str) -> dict[str, Any]:
        """What is known about one track."""
        return described(room.track(id))

    @app.get("/api/analysis/{id}")
    def analysis(id: str) -> dict[str, Any]:
        """What `ohrwurm analyze` found in one track: beats, chords, sections, keys with their times."""
        return room.analysis(id)

    @app.get("/api/audio/{id}")
    def audio(id: str, request: Request, form: Annotated[Form, Query(alias="as")] = "") -> Response:
        """The recording itself, or a WAV of it where browsers do not play the format; byte ranges are honoured."""
        return audio_response(room.track(id), request.headers, form)

    @app.api_route(
        "/api/{rest:path}", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False
    )
    def unknown(rest: str) -> None:
        raise HTTPException(
            404,
            f"No such address: /api/{rest}. Known: search, search-by-file, versions, tracks, track, "
            "analysis, audio, status.",
        )

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


class Room:
    """The collection as the web sees it: one question at a time to the models, answers as plain values."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self.asking = threading.Lock()  # the models fill the cores already; questions queue
        self.ready = threading.Event()

    def warm(self) -> None:
        """Load what the first questions would wait for, by asking them."""
        try:
            self.search(["music"], [], [], "", 1)
            for track in self.collection.tracks("status = 'present'")[:1]:
                self.versions(track.id, "", 1)
        except OhrwurmError as error:  # whoever asks gets the same message; here it only says why it is not ready
            log.info("warming up: %s", error)
        finally:
            self.ready.set()

    def status(self) -> dict[str, Any]:
        return {"version": __version__, "ready": self.ready.is_set(), **plain(self.collection.status())}

    def some(self, where: str, k: int) -> dict[str, Any]:
        present = self.collection.tracks(both("status = 'present'", where))
        different = {track.id: track for track in present if "silent" not in track.flags.split(",")}
        chosen = random.sample(sorted(different), min(k, len(different)))
        return {"results": [described(different[id]) for id in chosen]}

    def track(self, id: str) -> Track:
        """The track of an id. `Collection.track` also takes paths; the web does not."""
        try:
            if re.fullmatch(r"[0-9a-f]{12,32}", id):
                return self.collection.track(id)
        except CollectionError:
            pass  # said below, in words that fit a page
        raise HTTPException(404, "No such track here. If its file was changed, `ohrwurm index` gives it a new id.")

    def search(
        self, words: Sequence[str], like: Sequence[str | Path], without: Sequence[str], where: str, k: int
    ) -> dict[str, Any]:
        if not words and not like:
            raise HTTPException(
                400, "Nothing to search for: give words (q), a track to be like (like), or a recording."
            )
        with self.asking:
            return answers(self.collection.search(words, like=like, without=without, where=where, k=k))

    def versions(self, id: str, where: str, k: int) -> dict[str, Any]:
        content = self.track(id).content
        with self.asking:
            return answers(self.collection.versions(content, where=where, k=k))

    def analysis(self, id: str) -> dict[str, Any]:
        track = self.track(id)
        if track.analysis is None or track.analysis.error:
            does = f"`ohrwurm analyze --collection {self.collection.path}` does it."
            raise HTTPException(404, f"{track.title} was not analysed. {does}")
        found = self.collection.analysis(track.content)
        return plain({name: value for name, value in found.items() if name != "file"})


def described(track: Track) -> dict[str, Any]:
    """A track as the API returns it."""
    return {"id": track.id, **plain(track)}


def answers(results: Iterable[Any]) -> dict[str, Any]:
    """Results as the API returns them."""
    return {"results": [plain(result) for result in results]}


def plain(value: Any) -> Any:
    """Dataclasses, paths and floats → what JSON holds; NaN and infinity become null.

    >>> plain((1.5, float("nan"), Path("a")))
    [1.5, None, 'a']
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value


def _texts(values: Iterable[str]) -> list[str]:
    """Without the empty ones, at most 500 characters each."""
    return [value.strip()[:500] for value in values if value.strip()]


def _suffix(name: str) -> str:
    """The suffix of an uploaded file's name if it is a plain one; nothing else of the name is used.

    >>> _suffix("song.FLAC"), _suffix("../../etc/passwd"), _suffix("x.a/../b")
    ('.flac', '', '')
    """
    match = re.search(r"\.([A-Za-z0-9]{1,8})$", name)
    return f".{match[1].lower()}" if match else ""


async def _receive(request: Request, file: Path, limit: int) -> None:
    """Write the request body to `file`, refusing more than `limit` bytes whatever the headers promise."""
    too_large = HTTPException(
        413, f"The recording is larger than {limit >> 20} MB. Use a shorter excerpt, or the command line."
    )
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > limit:
        raise too_large
    received = 0
    async with await anyio.open_file(file, "wb") as stream:
        async for chunk in request.stream():
            received += len(chunk)
            if received > limit:
                raise too_large
            await stream.write(chunk)
    if not received:
        raise HTTPException(400, "The request holds no recording. Send the bytes of an audio file as the body.")


def _add_errors(app: FastAPI) -> None:
    """Every failure becomes ``{"error": message}``."""

    def answer(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
        return JSONResponse({"error": message}, status, headers=headers)

    @app.exception_handler(OhrwurmError)
    async def ours(request: Request, error: OhrwurmError) -> JSONResponse:
        return answer(status_of(error), str(error))

    @app.exception_handler(StarletteHTTPException)
    async def http(request: Request, error: StarletteHTTPException) -> JSONResponse:
        return answer(error.status_code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        details = "; ".join(f"{'.'.join(str(part) for part in e['loc'][1:])}: {e['msg']}" for e in error.errors())
        return answer(400, f"The request is not understood: {details}.")

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        # Starlette raises it again after answering, so the traceback reaches the terminal.
        return answer(500, "Something went wrong in the server. Its terminal says more; please report it.")


def status_of(error: OhrwurmError) -> int:
    """The HTTP status of one of our errors.

    >>> status_of(AudioError("a.wav", "unreadable")), status_of(ModelError("no text model"))
    (422, 409)
    """
    if isinstance(error, AudioError):
        return 410 if error.reason == "missing" else 422
    if isinstance(error, (ModelError, ProvenanceError)):
        return 409
    return 400 if isinstance(error, CollectionError) else 500
