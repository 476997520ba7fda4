"""Makes the pictures of the README from a real run of the demo: `page.png` (needs playwright and Chromium) and
`demo.svg`.

    ohrwurm demo --dir /tmp/ohrwurm-demo && python docs/img/make.py /tmp/ohrwurm-demo
"""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
import threading
from pathlib import Path

from rich.console import Console

from ohrwurm.atomic import write_text
from ohrwurm.collection import Collection

HERE = Path(__file__).parent
QUERY = "music box lullaby"
SHOWN = ("solo piano", "jazz with saxophone", "rock band with distorted guitar")


def terminal(folder: Path) -> None:
    """The beginning, some questions and the summary of the demo as SVG."""
    from ohrwurm.demo.run import run
    from ohrwurm.demo.tables import HEADINGS, print_question, print_summary

    outcome = run(folder)
    console = Console(record=True, width=100, file=io.StringIO())
    truths = {truth.clip: truth for truth in outcome.truths}
    console.print("[bold]$ make demo[/]\n")
    for kind, number in (("words", len(SHOWN)), ("versions", 3)):
        if judged := [
            j for j in outcome.of(kind) if j.question.shown and (kind != "words" or j.question.text in SHOWN)
        ]:
            console.print(f"[bold]{HEADINGS[kind]}[/]  [dim]{outcome.models[kind]}[/]\n", highlight=False)
            for one in judged[:number]:
                print_question(one, truths, console)
    print_summary(outcome, console)
    drawing = console.export_svg(title="ohrwurm demo")
    drawing = re.sub(r"@font-face\s*{.*?}\s*", "", drawing, flags=re.DOTALL)  # no fonts from elsewhere
    write_text(HERE / "demo.svg", drawing)


def page(folder: Path) -> None:
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
        view.screenshot(path=str(HERE / "page.png"))
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
    made = Path(sys.argv[1])
    terminal(made)
    page(made)
