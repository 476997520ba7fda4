// Lanes of a picture over time, as SVG: spans with their labels, and beats.

const SVG = "http://www.w3.org/2000/svg";
const CLASSES = { C: 0, D: 2, E: 4, F: 5, G: 7, A: 9, B: 11 };
const QUALITIES = { maj: "", min: "m", min7: "m7", dim: "°", dim7: "°7", hdim7: "ø7", aug: "+", minmaj7: "m(maj7)", maj6: "6", min6: "m6" };
const LETTER = 7; // pixels that a letter takes, about
const DENSE = 4; // pixels between beats that are still told apart

/** A new SVG element in `parent`. */
export function element(parent, name, attributes, content) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (content !== undefined) made.textContent = content;
  parent.append(made);
  return made;
}

export const clear = (picture) => picture.replaceChildren();

/** How a label is written: chords as musicians do, nothing for no chord and no key. */
export function text(label, lane) {
  if (label === "N" || label === "X") return "";
  if (lane !== "chords") return label.replace(/^([A-G])b/, "$1♭");
  const [, root, quality = "", bass = ""] = label.match(/^([A-G][b#]*)(?::([^/]*))?(\/.*)?$/) ?? [];
  if (!root) return label;
  return `${root.replace("b", "♭").replace("#", "♯")}${QUALITIES[quality] ?? quality}${bass}`;
}

/** Class and hue of a span. The twelve hues lie along the circle of fifths: what is near in music is near in colour. */
function look(label, lane, numbers) {
  if (lane === "sections") {
    if (!numbers.has(label)) numbers.set(label, numbers.size);
    return ["section", (numbers.get(label) * 67 + 200) % 360];
  }
  const tonic = label.match(/^([A-G])([b#]*)/);
  if (!tonic || !text(label, lane)) return ["none", 0];
  const shift = [...tonic[2]].reduce((sum, sign) => sum + (sign === "#" ? 1 : -1), 0);
  const minor = lane === "keys" ? / minor$/.test(label) : /:(min|dim|hdim)/.test(label);
  return [minor ? "minor" : "major", ((((CLASSES[tonic[1]] + shift + 12) * 7) % 12) * 30 + 20) % 360];
}

/** Spans `{start, end, label}` as boxes; a label only where it fits. */
export function spanLane(parent, rows, lane, scale, { y, height }) {
  const group = element(parent, "g", { class: `lane ${lane}` });
  const numbers = new Map();
  for (const { start, end, label } of rows) {
    const [x, width] = [scale(start), Math.max(scale(end) - scale(start), 0.5)];
    const [kind, hue] = look(label, lane, numbers);
    const box = element(group, "rect", { class: kind, x, y, width: Math.max(width - 0.5, 0.4), height, rx: Math.min(3, width / 3) });
    box.style.setProperty("--hue", hue);
    const said = text(label, lane);
    element(box, "title", {}, said || "none");
    if (said && said.length * LETTER + 6 < width) element(group, "text", { x: x + 4, y: y + height - 6 }, said);
  }
}

/** Beats `{time, position}` as strokes, downbeats longer; where they lie too close, downbeats alone, or as a band. */
export function beatLane(parent, rows, scale, { y, height, numbers = false }) {
  const group = element(parent, "g", { class: "lane beats" });
  const gap = (beats) => (beats.length > 1 ? (scale(beats.at(-1).time) - scale(beats[0].time)) / (beats.length - 1) : Infinity);
  const downbeats = rows.filter((row) => row.position === 1);
  let shown = gap(rows) >= DENSE ? rows : downbeats;
  if (gap(shown) < DENSE && shown.length) {
    const [first, last] = [scale(shown[0].time), scale(shown.at(-1).time)];
    element(group, "rect", { class: "band", x: first, y, width: last - first, height });
    shown = [];
  }
  for (const { time, position } of shown) {
    const x = scale(time);
    const down = position === 1;
    element(group, "line", { class: down ? "down" : "beat", x1: x, x2: x, y1: y + (down ? 0 : height / 2), y2: y + height });
    if (numbers && position) element(group, "text", { class: down ? "down" : "", x: x - 3, y: y + height + 13 }, position);
  }
}
