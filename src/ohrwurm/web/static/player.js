// One player for the page. It starts a track at the position that matched, and can jump back to it.

import { audioURL } from "./api.js";

const find = (id) => document.getElementById(id);

export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds || 0));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const padded = String(s).padStart(2, "0");
  return h ? `${h}:${String(m).padStart(2, "0")}:${padded}` : `${m}:${padded}`;
}

export class Player {
  /** @param {(id: string, playing: boolean) => void} changed called when another track sounds, or none */
  constructor(changed) {
    this.audio = find("audio");
    this.seek = find("seek");
    this.changed = changed;
    this.current = null;
    this.seeking = false;

    find("play").addEventListener("click", () => this.toggle());
    find("back").addEventListener("click", () => this.start(this.current));
    this.seek.addEventListener("input", () => {
      this.seeking = true;
      this.time(Number(this.seek.value));
    });
    this.seek.addEventListener("change", () => {
      this.seeking = false;
      this.audio.currentTime = Number(this.seek.value);
    });
    this.audio.addEventListener("timeupdate", () => this.seeking || this.time(this.audio.currentTime));
    this.audio.addEventListener("loadedmetadata", () => this.length(this.audio.duration));
    for (const event of ["play", "pause", "ended"]) this.audio.addEventListener(event, () => this.show());
    this.audio.addEventListener("error", () => this.failed());
  }

  /** Play `track` from where it matched best, or from `at` seconds. */
  start(track, { at = track.position ?? 0 } = {}) {
    const same = this.current?.id === track.id && !this.audio.error;
    this.current = track;
    find("player").hidden = false;
    find("now-title").textContent = track.title;
    find("now-artist").textContent = track.artist ? `· ${track.artist}` : "";
    find("now-problem").textContent = "";
    find("back").hidden = track.position == null;
    this.from = at;
    if (same) this.audio.currentTime = at;
    else this.load({ asWAV: false });
    this.length(track.duration || this.audio.duration);
    this.time(at);
    this.play();
  }

  load({ asWAV }) {
    this.asWAV = asWAV;
    // The fragment makes the browser begin there, without a burst of the first second.
    this.audio.src = `${audioURL(this.current.id, { asWAV })}#t=${this.from}`;
  }

  toggle() {
    if (this.audio.paused) this.play();
    else this.audio.pause();
  }

  play() {
    this.audio.play().catch((error) => {
      // A load that a newer one replaced, and decoding errors (which `failed` handles), need no words here.
      if (error.name === "NotAllowedError") find("now-problem").textContent = "Press play to listen.";
      this.show();
    });
    this.show();
  }

  failed() {
    if (!this.current || !this.audio.getAttribute("src")) return;
    if (!this.asWAV) {
      this.load({ asWAV: true }); // this browser lacks the format: let the server decode it
      this.play();
      return;
    }
    find("now-problem").textContent = "· cannot be played";
    fetch(audioURL(this.current.id, { asWAV: true }), { headers: { Range: "bytes=0-1" } })
      .then((response) => (response.ok ? {} : response.json()))
      .then((body) => body.error && (find("now-problem").textContent = `· ${body.error}`))
      .catch(() => (find("now-problem").textContent = "· the server does not answer"));
    this.show();
  }

  length(seconds) {
    if (!Number.isFinite(seconds) || seconds <= 0) return;
    this.seek.max = seconds;
    find("now-length").textContent = clock(seconds);
    const marker = find("marker");
    marker.hidden = this.current?.position == null;
    if (!marker.hidden) marker.style.setProperty("--share", Math.min(1, this.current.position / seconds));
  }

  time(seconds) {
    this.seek.value = seconds;
    this.seek.setAttribute("aria-valuetext", `${clock(seconds)} of ${clock(this.seek.max)}`);
    find("now-time").textContent = clock(seconds);
  }

  show() {
    const playing = !this.audio.paused && !this.audio.ended && !this.audio.error;
    find("play").classList.toggle("playing", playing);
    find("play").setAttribute("aria-label", playing ? "Pause" : "Play");
    this.changed(this.current?.id, playing);
  }
}
