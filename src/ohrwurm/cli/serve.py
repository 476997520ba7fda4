"""`ohrwurm serve`: the search page, on this machine."""

from __future__ import annotations

import errno
import socket
from pathlib import Path
from typing import Annotated

import typer

from ohrwurm.cli.collection import CollectionOption, reporting
from ohrwurm.errors import OhrwurmError

INSTALL = 'the page needs FastAPI and uvicorn. Install them with: pip install "ohrwurm[web]"'


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(serve)


def serve(
    collection: CollectionOption = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on. Any but the default lets other machines hear your music.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8765,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = False,
) -> None:
    """Search the collection in the browser: words, sounds, versions, and a player.

    Example: ohrwurm serve --open
    """
    with reporting():
        listening = listen(host, port)  # before anything slow is imported: a taken port is told at once
        with listening:
            run(collection, listening, host, open_page)


def run(collection: Path | None, listening: socket.socket, host: str, open_page: bool) -> None:
    """Serve the collection on a listening socket until interrupted."""
    try:
        import uvicorn

        from ohrwurm.web.api import create_app
    except ModuleNotFoundError as error:
        if error.name in {"fastapi", "starlette", "uvicorn"}:
            raise OhrwurmError(INSTALL) from error
        raise
    from ohrwurm.collection import Collection

    music = Collection(collection)
    count = music.status().tracks  # also: is there a collection at all?
    address = page_address(listening)
    typer.echo(f"{count} tracks of {music.path} at {address}  (stop with Ctrl-C)")
    if not is_loopback(listening):
        typer.echo("Everybody who reaches this address can search and hear this collection.", err=True)
    if open_page:
        typer.launch(address)  # the socket listens already: the browser waits for the first answer
    # A page that plays music holds its connection; Ctrl-C does not wait for the song to end.
    settings = uvicorn.Config(create_app(music, names=[host]), log_level="warning", timeout_graceful_shutdown=2)
    uvicorn.Server(settings).run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on `host` and `port`.

    Raises:
        OhrwurmError: the port is taken or not allowed, or the host is not an address of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise OhrwurmError(
            f"--host {host}: no such address on this machine. Leave --host out for 127.0.0.1."
        ) from error
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen()
    except OSError as error:
        listening.close()
        reason = {
            errno.EADDRINUSE: f"port {port} is taken, perhaps by another `ohrwurm serve`",
            errno.EACCES: f"port {port} needs more rights",
            errno.EADDRNOTAVAIL: f"{host} is not an address of this machine",
        }.get(error.errno or 0, f"cannot listen on {host} port {port} ({error.strerror})")
        raise OhrwurmError(f"{reason}. Choose another with --port or --host; --port 0 takes a free one.") from error
    return listening


def page_address(listening: socket.socket) -> str:
    """The address of the page for a browser on this machine.

    >>> with listen("127.0.0.1", 0) as free:
    ...     page_address(free) == f"http://127.0.0.1:{free.getsockname()[1]}/"
    True
    """
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # "any" is where it listens, not where one goes
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def is_loopback(listening: socket.socket) -> bool:
    """Whether only this machine can reach the socket."""
    import ipaddress

    return ipaddress.ip_address(listening.getsockname()[0].split("%")[0]).is_loopback
