// The page: one question at a time (words, not-words, an example track, a dropped file, or "versions of"; narrowed by key
// and tempo), kept in the address so that back, forward and bookmarks work.

import * as api from "./api.js";
import { markCurrent, showCards } from "./cards.js";
import * as filters from "./filters.js";
import { Player } from "./player.js";

const find = (id) => document.getElementById(id);
const ASKED = ["q", "not", "like", "versions", "key", "bpm"];
const EXAMPLES = ["solo piano", "string orchestra", "drum and bass", "slow and sad"];

const titles = new Map(); // id → title, for the chip and the headings
let collection = null; // the last /api/status
let question = {}; // { q, not, like, versions, key, bpm, file }

const player = new Player(markCurrent);

// -- asking

function fromAddress() {
  const query = new URLSearchParams(location.search);
  return Object.fromEntries(ASKED.map((name) => [name, query.get(name) ?? ""]));
}

function ask(next) {
  const query = new URLSearchParams();
  for (const name of ASKED) if (next[name]) query.set(name, next[name]);
  const address = query.size ? `/?${query}` : "/";
  if (address !== location.pathname + location.search) history.pushState(null, "", address);
  return run(next);
}

async function run(next) {
  question = next;
  find("words").value = question.q ?? "";
  find("without").value = question.not ?? "";
  filters.show(question);
  showExample();
  if (!question.file && !ASKED.some((name) => question[name])) return welcome();

  const section = find("results");
  section.setAttribute("aria-busy", "true");
  say(await heading(), collection?.ready === false ? "The models are loading; the first answer takes a moment …" : "Listening …");
  try {
    const { results } = await fetchAnswer();
    if (question !== next) return;
    show(results);
  } catch (error) {
    if (error.name === "AbortError" || question !== next) return;
    complain(error.message);
  }
  section.removeAttribute("aria-busy");
}

function fetchAnswer() {
  if (question.file) return api.searchByFile(question.file, question);
  if (question.versions) return api.versions(question.versions);
  if (question.q || question.not || question.like) return api.search(question);
  return api.someTracks({ ...question, k: 50 }); // in any order: there is nothing to be near to
}

async function titleOf(id) {
  if (!titles.has(id)) {
    const track = await api.track(id).catch(() => null);
    titles.set(id, track?.title ?? "a track that is gone");
  }
  return titles.get(id);
}

async function heading() {
  const { q, not, like, versions, file } = question;
  if (versions) return `Versions of ${await titleOf(versions)}`;
  const parts = [];
  if (q) parts.push(`“${q}”`);
  if (file) parts.push(`like ${file.name}`);
  if (like) parts.push(`like ${await titleOf(like)}`);
  if (not) parts.push(`not “${not}”`);
  const among = filters.inWords(question);
  if (among) parts.push(parts.length ? among : `tracks ${among}`);
  const text = parts.join(", ");
  return text[0].toUpperCase() + text.slice(1);
}

// -- showing

function say(title, summary) {
  find("heading").textContent = title;
  find("summary").textContent = summary;
  document.title = title === "Your music, by ear" ? "Ohrwurm" : `${title} · Ohrwurm`;
}

function message(title, detail, { bad = false, tries = [] } = {}) {
  const box = find("message");
  const strong = Object.assign(document.createElement("strong"), { textContent: title });
  // `code` in backticks, as the messages of the command line have it
  const words = detail.split("`").map((text, i) => (i % 2 ? Object.assign(document.createElement("code"), { textContent: text }) : text));
  box.replaceChildren(strong, ...words);
  if (tries.length) {
    const row = Object.assign(document.createElement("div"), { className: "tries" });
    for (const words of tries) {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: words });
      button.addEventListener("click", () => ask({ q: words }));
      row.append(button);
    }
    box.append(row);
  }
  box.classList.toggle("bad", bad);
  box.setAttribute("role", bad ? "alert" : "note");
  box.hidden = false;
}

function show(results) {
  find("message").hidden = results.length > 0;
  const noun = question.versions ? "candidate" : "track";
  const order = results.length > 1 && results[0].score != null ? ", best match first" : "";
  find("summary").textContent = results.length ? `${results.length} ${noun}${results.length > 1 ? "s" : ""}${order}` : "";
  present(results);
  if (!results.length) {
    if (question.versions) message("No other version found.", "Nothing in this collection sounds like the same piece.");
    else if (filters.inWords(question)) message("Nothing found.", "Try another key or a wider range of tempi.");
    else message("Nothing found.", "Try fewer words, or remove what is excluded.");
  }
}

function present(results) {
  for (const { id, title } of results) titles.set(id, title);
  showCards(results, {
    play: (result, { restart = false } = {}) => {
      if (player.current?.id === result.id && !restart && !player.audio.error) player.toggle();
      else player.start(result);
    },
    player,
    similar: (result) => ask({ like: result.id, ...filters.chosen() }),
    versions: can("versions") ? (result) => ask({ versions: result.id }) : null,
  });
  markCurrent(player.current?.id, !player.audio.paused);
}

function complain(text) {
  showCards([], {});
  find("summary").textContent = "";
  message("That did not work.", text, { bad: true });
}

async function welcome() {
  const here = question;
  find("results").removeAttribute("aria-busy");
  present([]);
  say("Your music, by ear", "");
  if (!collection) return; // comes again with the first status
  if (!collection.tracks) {
    message("This collection is empty.", "Fill it from the command line: `ohrwurm index ~/Music`");
    return;
  }
  if (can("words")) {
    message("Describe what you want to hear.", "Instruments, mood, style, tempo: any English words.", { tries: EXAMPLES });
  } else {
    message("Search by sound.", "This collection has no model for words. Drop a recording here, or start from one of these:");
  }
  const { results } = await api.someTracks().catch(() => ({ results: [] }));
  if (question === here) present(results);
}

function showExample() {
  const chip = find("example");
  chip.hidden = !question.like && !question.file;
  if (question.file) find("example-title").textContent = question.file.name;
  else if (question.like) titleOf(question.like).then((title) => (find("example-title").textContent = title));
}

const can = (ability) => !collection || collection.models.some((model) => model.good_for.includes(ability));

async function refreshStatus() {
  try {
    const before = collection;
    collection = await api.status();
    const { tracks, models, ready } = collection;
    const failures = Object.values(collection.failures).reduce((sum, count) => sum + count, 0);
    const parts = [`${tracks.toLocaleString("en")} ${tracks === 1 ? "track" : "tracks"}`];
    if (failures) parts.push(`${failures.toLocaleString("en")} unreadable`);
    parts.push(models.length ? models.map((model) => model.name).join(", ") : "no models");
    if (!ready) parts.push("loading …");
    find("status").textContent = parts.join(" · ");
    for (const box of [find("words"), find("without")]) {
      box.disabled = !can("words");
      if (box.disabled) box.placeholder = box === find("words") ? "no model for words here" : "";
    }
    filters.offer(Object.keys(collection.analysed).length > 0);
    if (!before && !Object.values(question).some(Boolean)) welcome();
    if (!ready) setTimeout(refreshStatus, 700);
  } catch (error) {
    find("status").textContent = error.message;
    setTimeout(refreshStatus, 3000);
  }
}

// -- wiring

find("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const q = find("words").value.trim();
  const not = find("without").value.trim();
  ask({ q, not, like: question.like, file: question.file, ...filters.chosen() });
});

filters.onChange(() => find("search").requestSubmit());

find("example-remove").addEventListener("click", () => {
  ask({ q: question.q, not: question.not, ...filters.chosen() });
  find("words").focus();
});

find("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = ""; // so that the same file can be chosen again
  if (file) ask({ file, ...filters.chosen() });
});

addEventListener("popstate", () => run(fromAddress()));

addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    find("words").focus();
    find("words").select();
  }
  if (event.key === " " && !typing && !event.target.closest("button, a") && player.current) {
    event.preventDefault();
    player.toggle();
  }
});

let depth = 0; // dragenter and dragleave also fire for every child
const hasFile = (event) => event.dataTransfer?.types.includes("Files");
const dropping = (on) => (find("drop").hidden = !on);
addEventListener("dragenter", (event) => hasFile(event) && (event.preventDefault(), dropping(++depth > 0)));
addEventListener("dragleave", (event) => hasFile(event) && dropping(--depth > 0));
addEventListener("dragover", (event) => hasFile(event) && event.preventDefault());
addEventListener("drop", (event) => {
  if (!hasFile(event)) return;
  event.preventDefault();
  depth = 0;
  dropping(false);
  const [file] = event.dataTransfer.files;
  if (file) ask({ file, ...filters.chosen() });
});

refreshStatus();
run(fromAddress());
