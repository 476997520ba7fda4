// Results → cards.

import { text } from "./lanes.js";
import { clock } from "./player.js";
import { closeView, toggleView } from "./view.js";

const template = document.getElementById("card");
const list = document.getElementById("cards");

/**
 * Show `results`, in their order.
 * @param {object[]} results as the API returns them; those without a score are shown without a bar
 * @param {{play: Function, similar: Function, versions: Function | null, player: object}} actions called with a result;
 *   the player tells the pictures of tracks where they are
 */
export function showCards(results, actions) {
  closeView();
  const best = Math.max(...results.map((result) => result.score ?? 0), 0);
  list.replaceChildren(...results.map((result) => card(result, best, actions)));
}

function card(result, best, actions) {
  const item = template.content.firstElementChild.cloneNode(true);
  const part = (name) => item.querySelector(`.${name}`);
  const name = result.artist ? `${result.title} by ${result.artist}` : result.title;
  item.dataset.id = result.id;
  part("title").textContent = result.title;
  part("title").title = result.path;
  part("by").textContent = [result.artist, result.album, result.year, clock(result.duration)].filter(Boolean).join(" · ");

  part("heard").textContent = heard(result.analysis);
  if (!part("heard").textContent) part("heard").remove();

  if (result.score == null) part("match").remove();
  else {
    // The bar compares within the list: cosines of words and sound are small numbers even when they are right.
    const share = best > 0 ? Math.max(0, result.score / best) : 0;
    part("bar").style.setProperty("--share", share.toFixed(3));
    part("number").textContent = result.score.toFixed(3);
    part("score").title = `similarity ${result.score.toFixed(4)}; the bar is relative to the best answer`;
    if (result.position == null) part("position").remove();
    else {
      part("position").textContent = `best match at ${clock(result.position)}`;
      part("position").setAttribute("aria-label", `Play ${name} from ${clock(result.position)}`);
      part("position").addEventListener("click", () => actions.play(result, { restart: true }));
    }
  }
  part("play").setAttribute("aria-label", `Play ${name}`);
  part("play").addEventListener("click", () => actions.play(result));
  part("similar").setAttribute("aria-label", `More like ${name}`);
  part("similar").addEventListener("click", () => actions.similar(result));
  if (actions.versions) {
    part("versions").setAttribute("aria-label", `Versions of ${name}`);
    part("versions").addEventListener("click", () => actions.versions(result));
  } else part("versions").remove();
  if (result.analysis && !result.analysis.error) {
    part("look").setAttribute("aria-label", `Look inside ${name}`);
    part("look").addEventListener("click", () => toggleView(item, part("look"), result, actions.player));
  } else part("look").remove();
  return item;
}

/** What was heard in a track, in a line. */
function heard(analysis) {
  if (!analysis) return "";
  const bpm = analysis.bpm && `${Math.round(analysis.bpm)} bpm`;
  return [bpm, text(analysis.key ?? "", "keys"), analysis.metre && `${analysis.metre} beats a bar`].filter(Boolean).join(" · ");
}

/** Mark the card of the track in the player. */
export function markCurrent(id, playing) {
  for (const item of list.children) {
    const current = item.dataset.id === id;
    if (current) item.setAttribute("aria-current", "true");
    else item.removeAttribute("aria-current");
    const button = item.querySelector(".play");
    const sounding = current && playing;
    button.classList.toggle("playing", sounding);
    button.setAttribute("aria-label", button.getAttribute("aria-label").replace(/^(Play|Pause)/, sounding ? "Pause" : "Play"));
  }
}
