"""Makes the pictures of the README from a real run of the demo: `demo.svg`, `analysis.png` (needs matplotlib) and
`page.png` (needs playwright and Chromium).

    ohrwurm demo --dir /tmp/ohrwurm-demo && python docs/img/make.py /tmp/ohrwurm-demo
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import tempfile
import threading
from pathlib import Path

from rich.console import Console

from ohrwurm.atomic import write_text
from ohrwurm.collection import Collection
from ohrwurm.demo.understanding import LISTENER

HERE = Path(__file__).parent
QUERY = "music box lullaby"
SHOWN = ("solo piano", "jazz with saxophone")
WHOLE = ("minuet-in-g", "baroque harpsichord")  # the tune that is seen from the inside, and its style
SECONDS = 80.0  # it is played as often as brings it nearest to this


def terminal(folder: Path, out: Path, listener: str) -> None:
    """The beginning, some questions, some clips from the inside and the summary of the demo as SVG."""
    from ohrwurm.demo.heard_tables import print_heard, print_narrowed
    from ohrwurm.demo.run import run
    from ohrwurm.demo.tables import HEADINGS, HEARD, print_question, print_summary

    outcome = run(folder, listener=listener)
    console = Console(record=True, width=100, file=io.StringIO())
    truths = {truth.clip: truth for truth in outcome.truths}
    console.print("[bold]$ make demo[/]\n")
    for kind, number in (("words", len(SHOWN)), ("versions", 1)):
        if judged := [
            j for j in outcome.of(kind) if j.question.shown and (kind != "words" or j.question.text in SHOWN)
        ]:
            console.print(f"[bold]{HEADINGS[kind]}[/]  [dim]{outcome.models[kind]}[/]\n", highlight=False)
            for one in judged[:number]:
                print_question(one, truths, console)
    if outcome.understood:
        console.print(f"[bold]{HEARD}[/]  [dim]{outcome.understood.model}[/]\n", highlight=False)
        for heard in outcome.understood.compared[:2]:
            print_heard(heard, truths[heard.clip], console)
    if outcome.narrowed:
        print_narrowed(outcome.narrowed, truths, console)
    print_summary(outcome, console)
    drawing = console.export_svg(title="ohrwurm demo")
    drawing = re.sub(r"@font-face\s*{.*?}\s*", "", drawing, flags=re.DOTALL)  # no fonts from elsewhere
    write_text(out / "demo.svg", drawing)


def analysis(out: Path, listener: str) -> None:
    """The figure of `ohrwurm analyze` for a whole tune, played in a row."""
    import ohrwurm
    from ohrwurm.analysis.formats.figure import png
    from ohrwurm.audio.writing import write_audio
    from ohrwurm.data.abc import read_abc
    from ohrwurm.data.render import render
    from ohrwurm.demo.plan import SAMPLE_RATE, TUNES
    from ohrwurm.demo.rendering import lengthened

    tune, style = WHOLE
    score = lengthened(read_abc(TUNES / f"{tune}.abc"), SECONDS, 1.0)
    played = render(score, seed=1, style=style, sample_rate=SAMPLE_RATE, degrade=False)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{tune}.ogg"
        write_audio(file, played.audio, SAMPLE_RATE, "OGG", "VORBIS")
        png(ohrwurm.analyze(file, model=listener), out / "analysis.png")


def page(folder: Path, out: Path) -> None:
    """The page, with an answer on it."""
    import uvicorn
    from playwright.sync_api import sync_playwright

    from ohrwurm.cli.serve import listen, page_address
    from ohrwurm.web.api import create_app

    collection = Collection(folder / "collection")
    listening = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(create_app(collection), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    chromium = os.environ.get("OHRWURM_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        view = browser.new_page(viewport={"width": 1000, "height": 640}, device_scale_factor=1)
        view.goto(page_address(listening) + _question(collection))
        view.wait_for_load_state("networkidle")
        view.wait_for_timeout(1500)
        view.screenshot(path=str(out / "page.png"))
        browser.close()
    server.should_exit = True
    thread.join(10)


def _question(collection: Collection) -> str:
    """Words where a model understands them, else the versions of a track."""
    if any("words" in model.good_for for model in collection.status().models):
        return f"?q={QUERY.replace(' ', '+')}"
    (track, *_) = collection.tracks("title = 'Minuet in G'")
    return f"?versions={track.id}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demo", type=Path, help="the folder of `ohrwurm demo`")
    parser.add_argument("--model", default=LISTENER, help="the model that hears beats, chords and key")
    parser.add_argument("--out", type=Path, default=HERE, help="where the pictures go")
    given = parser.parse_args()
    terminal(given.demo, given.out, given.model)
    analysis(given.out, given.model)
    page(given.demo, given.out)
