// Results → cards.

import { clock } from "./player.js";

const template = document.getElementById("card");
const list = document.getElementById("cards");

/**
 * Show `results`, in their order.
 * @param {object[]} results as the API returns them; those without a score are shown without a bar
 * @param {{play: Function, similar: Function, versions: Function | null}} actions called with a result
 */
export function showCards(results, actions) {
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
  return item;
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
