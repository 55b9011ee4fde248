// Small pieces that the rest is drawn of. A sign or a text stands beside every colour.

const SIGNS = new Map([["bad", "▲"], ["note", "→"], ["good", "✓"], ["open", "?"]]);

/** A verdict with its sign. */
const Mark = ({ of: [tone, told] }) => html`
  <span class="mark ${SIGNS.has(tone) ? tone : "note"}">
    <span aria-hidden="true">${SIGNS.get(tone) || "→"}</span> ${told}
  </span>`;

/** How an owner is known. */
const Provenance = ({ of }) => html`
  <span class="chip p${of}"><i class="swatch p${of}" aria-hidden="true"></i>${LEGEND.provenance[of]}</span>`;

/** Nodes of each provenance as one bar; the text says the same. */
function Coverage({ counts, wide }) {
  const all = sum(counts);
  const told = counts.map((each, at) => [each, at]).filter(([each]) => each);
  const words = told.map(([each, at]) => `${count(each)} ${LEGEND.provenance[at]}`).join(", ");
  if (!all) return html`<span class="quiet">no nodes</span>`;
  return html`
    <span class="coverage ${wide ? "wide" : ""}" title=${words}>
      <span class="stack" aria-hidden="true">
        ${told.map(([each, at]) => html`<i class="p${at}" style=${{ flexGrow: each }}></i>`)}
      </span>
      <span class="words">${wide ? words : brief(told, all)}</span>
    </span>`;
}

/** "captured", or of several the first letters with how many. */
function brief(told, all) {
  if (told.length === 1) return LEGEND.provenance[told[0][1]];
  const [[most, at]] = [...told].sort(([one], [other]) => other - one);
  return `${Math.floor((most * 100) / all)} % ${LEGEND.provenance[at]}`;
}

/** A share as a bar with its text. */
const Share = ({ of }) => html`
  <span class="share">
    <span class="words">${share(of)}</span>
    <span class="track" aria-hidden="true">
      <i style=${{ width: `${Math.min(Math.max(Number(of) || 0, 0), 1) * 100}%` }}></i>
    </span>
  </span>`;

/** Copies a text; where the browser does not let it, selects what is to be copied. */
function Copy({ of, what = "Copy" }) {
  const [state, setState] = useState("");
  const copy = async (event) => {
    const beside = event.currentTarget.previousElementSibling;
    try {
      await navigator.clipboard.writeText(of);
      setState("Copied");
    } catch (error) {
      getSelection().selectAllChildren(beside);
      setState("Selected: copy it");
    }
    setTimeout(() => setState(""), 1600);
  };
  return html`<button type="button" class="small" onClick=${copy} aria-live="polite">${state || what}</button>`;
}

/** A command line that is shown whole and can be copied. */
const Command = ({ of }) => html`<div class="command"><code>${of}</code><${Copy} of=${of} /></div>`;

/** A part of the panel that folds. */
const Section = ({ title, size, open = true, children }) => html`
  <details class="section" open=${open}>
    <summary><h3>${title}</h3>${size !== undefined && html`<span class="quiet">${size}</span>`}</summary>
    ${children}
  </details>`;

/** A list of which the rest is shown when it is asked for. */
function Long({ of, step = 50, each }) {
  const [shown, setShown] = useState(step);
  const rest = of.length - shown;
  return html`
    <ul class="plain">${of.slice(0, shown).map(each)}</ul>
    ${rest > 0 && html`
      <button type="button" class="small" onClick=${() => setShown(shown + 5 * step)}>
        Show ${count(Math.min(rest, 5 * step))} more of ${count(rest)}
      </button>`}`;
}

/** The module of a row, to go there. */
const Go = ({ row, call }) => html`
  <button type="button" class="link" title=${pathOf(row)}
    onClick=${() => choose(row, { open: true, call: Math.max(callsOf(row).indexOf(call), 0) })}>
    <bdi>${pathOf(row)}${call > 0 ? `@${call}` : ""}</bdi>
  </button>`;
