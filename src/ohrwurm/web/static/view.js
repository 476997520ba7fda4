// The inside of a track: sections, keys, chords and beats over time, the whole of it and what is near, while it plays.

import * as api from "./api.js";
import { beatLane, clear, element, spanLane, text } from "./lanes.js";
import { clock } from "./player.js";

const NEAR = 16; // seconds of the near picture
const LANES = ["sections", "keys", "chords"];
const NAMES = { sections: "sections", keys: "key", chords: "chords" };
const template = document.getElementById("view");
const still = matchMedia("(prefers-reduced-motion: reduce)");

let open = null; // one view at a time

/** Show or close the view of a track below its card. */
export async function toggleView(item, button, track, player) {
  const same = open?.item === item;
  closeView();
  if (same) return;
  button.setAttribute("aria-expanded", "true");
  const box = template.content.firstElementChild.cloneNode(true);
  box.setAttribute("aria-label", `Inside ${track.title}`);
  item.append(box);
  const here = (open = { item, button, box });
  try {
    const found = await api.analysis(track.id);
    if (open === here) here.view = new View(box, found, track, player);
  } catch (error) {
    box.replaceChildren(Object.assign(document.createElement("p"), { className: "problem", textContent: error.message }));
  }
}

/** Close what is open. */
export function closeView() {
  open?.view?.stop();
  open?.box.remove();
  open?.button.setAttribute("aria-expanded", "false");
  open = null;
}

class View {
  constructor(box, found, track, player) {
    Object.assign(this, { found, track, player, box });
    this.duration = found.duration || track.duration || 1;
    this.lanes = LANES.filter((name) => found[name]?.length);
    [this.whole, this.near, this.there] = ["whole", "near", "now-there"].map((name) => box.querySelector(`.${name}`));
    this.whole.setAttribute("aria-label", summary(found, this.duration));
    box.querySelector(".words p").textContent = inWords(found);
    this.listen = new AbortController();
    const options = { signal: this.listen.signal };
    for (const [picture, when] of [[this.whole, (x) => x * this.duration], [this.near, (x) => this.begin + x * NEAR]]) {
      picture.addEventListener("click", (event) => this.seek(when(event.offsetX / picture.clientWidth)), options);
    }
    for (const event of ["play", "seeked", "timeupdate"]) player.audio.addEventListener(event, () => this.follow(), options);
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(box);
  }

  stop() {
    this.listen.abort();
    this.resized.disconnect();
    cancelAnimationFrame(this.frame);
  }

  get playing() {
    return this.player.current?.id === this.track.id;
  }

  get time() {
    return this.playing ? this.player.audio.currentTime : (this.track.position ?? 0);
  }

  seek(seconds) {
    this.player.start(this.track, { at: Math.min(Math.max(0, seconds), this.duration) });
  }

  /** Both pictures anew; the size of the page has changed. */
  draw() {
    const width = this.whole.clientWidth;
    if (!width) return;
    const scale = (seconds) => (seconds / this.duration) * width;
    const height = this.frameOf(this.whole, width, 20);
    this.lanes.forEach((name, i) => spanLane(this.whole, this.found[name], name, scale, { y: i * 24, height: 20 }));
    beatLane(this.whole, this.found.beats ?? [], scale, { y: this.lanes.length * 24, height: 16 });
    this.stretch = element(this.whole, "rect", { class: "stretch", y: 1, height: height - 2, width: scale(NEAR), rx: 3 });
    this.cursor = element(this.whole, "line", { class: "cursor", y1: 0, y2: height });
    this.drawn = null;
    this.follow();
  }

  frameOf(picture, width, below) {
    const height = this.lanes.length * 24 + (this.found.beats?.length ? below : 0);
    picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    picture.setAttribute("height", height);
    clear(picture);
    return height;
  }

  /** The cursors to where the player is; again and again while it plays. */
  follow() {
    cancelAnimationFrame(this.frame);
    if (!this.cursor) return;
    const time = this.time;
    const x = (time / this.duration) * this.whole.clientWidth;
    this.cursor.setAttribute("x1", x);
    this.cursor.setAttribute("x2", x);
    for (const one of [this.near, this.stretch]) one.toggleAttribute("hidden", this.duration <= NEAR);
    if (this.duration > NEAR) this.followNear(time);
    this.there.textContent = [clock(time), ...this.lanes.map((name) => at(this.found[name], time, name)), bar(this.found, time)]
      .filter(Boolean)
      .join(" · ");
    const moving = this.playing && !this.player.audio.paused && !still.matches;
    if (moving) this.frame = requestAnimationFrame(() => this.follow());
  }

  followNear(time) {
    const width = this.near.clientWidth;
    const wanted = still.matches ? Math.floor(time / NEAR) * NEAR : time - NEAR / 2; // without motion: page by page
    this.begin = Math.min(Math.max(0, wanted), this.duration - NEAR);
    this.stretch.setAttribute("x", (this.begin / this.duration) * this.whole.clientWidth);
    // Drawn for a stretch around, then only moved: three hours have twenty thousand beats.
    if (!this.drawn || this.begin < this.drawn[0] || this.begin + NEAR > this.drawn[1]) {
      this.drawn = [this.begin - NEAR, this.begin + 2 * NEAR];
      const [from, to] = this.drawn;
      const height = this.frameOf(this.near, width, 32);
      const scale = (seconds) => ((seconds - from) / NEAR) * width;
      this.strip = element(this.near, "g", {});
      const among = (rows) => rows.filter((row) => (row.end ?? row.time) >= from && (row.start ?? row.time) <= to);
      this.lanes.forEach((name, i) => spanLane(this.strip, among(this.found[name]), name, scale, { y: i * 24, height: 20 }));
      beatLane(this.strip, among(this.found.beats ?? []), scale, { y: this.lanes.length * 24, height: 16, numbers: true });
      this.nearCursor = element(this.near, "line", { class: "cursor", y1: 0, y2: height });
    }
    this.strip.setAttribute("transform", `translate(${(-(this.begin - this.drawn[0]) / NEAR) * width} 0)`);
    const x = ((time - this.begin) / NEAR) * width;
    this.nearCursor.setAttribute("x1", x);
    this.nearCursor.setAttribute("x2", x);
  }
}

/** What a lane says at a time. */
function at(rows, time, name) {
  const row = rows.find(({ start, end }) => start <= time && time < end);
  return row && text(row.label, name);
}

function bar({ beats }, time) {
  const last = beats?.findLast((beat) => beat.time <= time);
  return last?.position ? `beat ${last.position}` : "";
}

/** The picture for those who do not see it. */
function summary(found, duration) {
  const { key, tempo, metre, sections } = found;
  const facts = [
    clock(duration),
    key && key.label !== "N" && key.label,
    tempo?.bpm && `${Math.round(tempo.bpm)} beats a minute`,
    metre && `${metre} beats a bar`,
    sections?.length && `${sections.length} sections`,
  ];
  return `Sections, keys, chords and beats over time: ${facts.filter(Boolean).join(", ")}`;
}

function inWords(found) {
  const lines = ["sections", "keys", "chords"].flatMap((name) => {
    const rows = (found[name] ?? []).filter((row) => text(row.label, name));
    const said = rows.slice(0, 200).map((row) => `${clock(row.start)} ${text(row.label, name)}`);
    return said.length ? `${NAMES[name]}: ${said.join(", ")}${rows.length > 200 ? ", …" : ""}` : [];
  });
  return [...lines, ...(found.remarks ?? [])].join("\n");
}
