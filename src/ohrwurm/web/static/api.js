// The JSON API. Every function resolves to the answer or throws an Error whose message a person can act on.

let pending = null; // the answer the page waits for; a newer question aborts it

async function answer(url, options = {}) {
  let response;
  try {
    response = await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is `ohrwurm serve` still running?");
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error ?? `The server answered ${response.status}.`);
  return body;
}

function latest(url, options = {}) {
  pending?.abort();
  pending = new AbortController();
  return answer(url, { ...options, signal: pending.signal });
}

export const status = () => answer("/api/status");

export const track = (id) => answer(`/api/track/${encodeURIComponent(id)}`);

export const someTracks = () => latest("/api/tracks?k=6");

export const versions = (id) => latest(`/api/versions/${encodeURIComponent(id)}`);

export function search({ q = "", not = "", like = "" }) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ q, not, like })) if (value) query.set(name, value);
  return latest(`/api/search?${query}`);
}

export function searchByFile(file, { q = "", not = "" } = {}) {
  const query = new URLSearchParams({ name: file.name });
  if (q) query.set("q", q);
  if (not) query.set("not", not);
  return latest(`/api/search-by-file?${query}`, {
    method: "POST",
    headers: { "Content-Type": "application/octet-stream" },
    body: file,
  });
}

export const audioURL = (id, { asWAV = false } = {}) => `/api/audio/${encodeURIComponent(id)}${asWAV ? "?as=wav" : ""}`;
