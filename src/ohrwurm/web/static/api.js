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

export const analysis = (id) => answer(`/api/analysis/${encodeURIComponent(id)}`);

export const someTracks = ({ k = 6, key = "", bpm = "" } = {}) => latest(`/api/tracks?${parameters({ k, key, bpm })}`);

export const versions = (id) => latest(`/api/versions/${encodeURIComponent(id)}`);

function parameters(values) {
  return new URLSearchParams(Object.entries(values).filter(([, value]) => value));
}

export function search({ q = "", not = "", like = "", key = "", bpm = "" }) {
  return latest(`/api/search?${parameters({ q, not, like, key, bpm })}`);
}

export function searchByFile(file, { q = "", not = "", key = "", bpm = "" } = {}) {
  return latest(`/api/search-by-file?${parameters({ name: file.name, q, not, key, bpm })}`, {
    method: "POST",
    headers: { "Content-Type": "application/octet-stream" },
    body: file,
  });
}

export const audioURL = (id, { asWAV = false } = {}) => `/api/audio/${encodeURIComponent(id)}${asWAV ? "?as=wav" : ""}`;
