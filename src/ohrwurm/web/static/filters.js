// The fields that narrow a search by what `ohrwurm analyze` heard: key and tempo.

const TONICS = ["C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B"];
const find = (id) => document.getElementById(id);

const option = (value, text = value) => new Option(text, value);
const group = (label, values) => {
  const made = Object.assign(document.createElement("optgroup"), { label });
  made.append(...values.map((value) => option(value)));
  return made;
};
find("key").append(
  option("", "any"),
  option("major", "any major"),
  option("minor", "any minor"),
  ...["major", "minor"].map((mode) => group(mode, TONICS.map((tonic) => `${tonic} ${mode}`))),
);

/** Show the fields, where there is something that they could find. */
export const offer = (useful) => (find("filters").hidden = !useful);

/** @returns {{key: string, bpm: string}} what is chosen, as the API takes it */
export function chosen() {
  const [low, high] = [find("slowest").value, find("fastest").value];
  return { key: find("key").value, bpm: low || high ? `${low}-${high}` : "" };
}

/** Fill the fields with a question. */
export function show({ key = "", bpm = "" }) {
  if (key && ![...find("key").options].some((one) => one.value === key)) find("key").append(option(key)); // "D", "F#m"
  find("key").value = key;
  const [low, high = low] = bpm.split("-");
  find("slowest").value = low;
  find("fastest").value = high;
}

/** A question's key and tempo, for headings. */
export function inWords({ key = "", bpm = "" }) {
  const [low, high = low] = bpm.split("-");
  const tempo = low && high ? (low === high ? `at ${low} bpm` : `at ${low}–${high} bpm`) : low ? `from ${low} bpm` : `to ${high} bpm`;
  return [key && `in ${key}`, bpm && tempo].filter(Boolean).join(" ");
}

/** Call `asked` when a field was changed. */
export function onChange(asked) {
  for (const id of ["key", "slowest", "fastest"]) find(id).addEventListener("change", asked);
}
