// The side panel: what is known of the module that is chosen.

const REASONS = new Map([
  ["gone", "a tool took it away"],
  ["fused", "between operations that became one"],
  ["folded", "computed by the exporter"],
  ["unread", "nothing reads it, so it was dropped"],
  ["rewritten", "another operation took the place of what computed it"],
  ["ambiguous", "several values may be it"],
  ["body", "inside a body that stands for several calls"],
  ["untraced", "the exporter never saw it"],
  ["merged", "the value of an equal one stands for it"],
]);

/** A word for a POSIX shell; null where a terminal should not be given it. */
function quoted(word, altered) {
  if (altered) return null;
  return /^[A-Za-z0-9_./@%+=:,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** The command that cuts a module call out; null where its name is none to type. */
function extractCommand(row, call) {
  const path = quoted(text(MODULES.path[row]), ALTERED.has(MODULES.path[row]));
  const file = quoted(HEAD.file.startsWith("-") ? `./${HEAD.file}` : HEAD.file, HEAD.altered);
  if (!path || !file) return null;
  const letters = text(MODULES.path[row]).replace(/[^A-Za-z0-9_.-]+/g, "_").slice(-60).replace(/^[._-]+/, "");
  const number_ = call ? ` --call ${call}` : "";
  const end = path.startsWith("-") ? `-- ${path}` : path;
  return `htp extract ${file} -o ${letters || "part"}.onnx${number_} ${end}`;
}

function Extract({ row, call }) {
  const parts = DATA.parts.filter((each) => each.row === row);
  const isWhole = text(MODULES.path[row]) === "";
  const command = isWhole ? null : extractCommand(row, call);
  return html`
    <${Section} title="Cut it out">
      ${parts.map((each) => html`<${PartLink} part=${each} />`)}
      ${isWhole && html`<p class="quiet">This is the whole model: open the file itself in a viewer.</p>`}
      ${command && html`
        <${Command} of=${command} />
        <p class="quiet">Writes this call as a model of its own, with weights and tags. To see its graph, open the
        file in Netron (<code>pip install netron</code>, then <code>netron</code> and its name), Model Explorer or
        another viewer of ONNX files.</p>`}
      ${!isWhole && !command && html`<p class="quiet">The name of this module or of the file is none to type on a
        command line: use <code>tagged.extract(path)</code> in Python.</p>`}
    <//>`;
}

function PartLink({ part }) {
  const call = part.call ? ` (call ${part.call})` : "";
  if (part.reason) return html`<p class="remark">It could not be cut out${call}: ${part.reason}</p>`;
  const isBeside = typeof part.link === "string" && part.link.startsWith("./");
  return html`<p>${isBeside
    ? html`<a href=${part.link} download>The part as a file${call}</a> <span class="quiet">${bytes(part.bytes)}</span>`
    : `It was cut out${call}.`}</p>`;
}

function Calls({ row }) {
  const calls = callsOf(row);
  if (calls.length < 2) return null;
  return html`
    <${Section} title="Calls" size=${count(calls.length)}>
      <p class="calls" role="group" aria-label="Calls">${calls.slice(0, 200).map((call, at) => html`
        <button type="button" class="tag" aria-pressed=${String(chosenCall.value === at)}
          onClick=${() => (chosenCall.value = at)}>call ${call}</button>`)}
        ${calls.length > 200 && html`<span class="quiet">and ${count(calls.length - 200)} more</span>`}</p>
    <//>`;
}

function BorderSide({ title, values }) {
  if (!values.length) return html`<h4>${title}</h4><p class="quiet">nothing that is known</p>`;
  return html`
    <h4>${title}</h4>
    <${Long} of=${values} each=${([place, name, reason]) => html`
      <li class="value">
        <span class="place"><bdi>${place === NONE ? "–" : text(place)}</bdi></span>
        ${name === NONE
          ? html`<span class="quiet">${REASONS.get(text(reason)) || text(reason)}</span>`
          : html`<span><bdi><code>${text(name)}</code></bdi> <span class="quiet">${typeOf(name)}
              ${place === NONE ? " from the graph" : ""}${reason === NONE ? "" : ` (${REASONS.get(text(reason)) || text(reason)})`}</span></span>`}
      </li>`} />`;
}

function Border({ row, call }) {
  const border = borderOf(row, call);
  if (!border) return null;
  const [taken, given, remarks] = border;
  return html`
    <${Section} title="Takes and returns">
      <${BorderSide} title="takes" values=${taken} />
      <${BorderSide} title="returns" values=${given} />
      ${remarks.map((each) => html`<p class="remark">${text(each)}</p>`)}
    <//>`;
}

function Weights({ row }) {
  const read_ = READ[row];
  if (!read_.length) return null;
  return html`
    <${Section} title="Parameters and constants" size=${count(read_.length)}>
      <${Long} of=${read_} each=${(weight) => {
        const names = WEIGHTS.parameters[weight].map(text);
        const hit = found.value && found.value.weights.has(weight);
        return html`
          <li class="weight ${hit ? "hit" : ""}">
            <bdi><code>${names.length ? names.join(", ") : text(WEIGHTS.name[weight])}</code></bdi>
            <span class="quiet">${text(WEIGHTS.type[weight])} · ${bytes(WEIGHTS.bytes[weight])}${names.length ? (names.join() === text(WEIGHTS.name[weight]) ? "" : ` · ${text(WEIGHTS.name[weight])}`) : " · no parameter is known"}</span>
          </li>`;
      }} />
    <//>`;
}

/** What one result says of the calls of this row. */
function Told({ result, row, open }) {
  const at = result.at.get(row);
  if (at === undefined) return null;
  const several = result.calls[at].length > 1;
  return html`
    <${Section} title=${result.title} open=${open}>
      ${result.calls[at].slice(0, 50).map(([call, cells, notes]) => html`
        <dl class="facts">
          ${several && call !== null && html`<dt class="call">call</dt><dd class="call">${call}</dd>`}
          ${cells.map((cell, column) => cell !== null && html`
            <dt>${result.columns[column][0]}</dt><dd>${drawn(result.columns[column][1], cell)}</dd>`)}
          ${notes.map(([label, told]) => html`<dt>${label}</dt><dd>${told}</dd>`)}
        </dl>`)}
      ${result.calls[at].length > 50 && html`<p class="quiet">and ${count(result.calls[at].length - 50)} more</p>`}
    <//>`;
}

function Trail({ row }) {
  return html`
    <nav class="trail" aria-label="Modules above">
      ${above(row).slice(-6).map((each) => html`
        <button type="button" class="link" onClick=${() => choose(each)}><bdi>${nameOf(each)}</bdi></button>
        <span aria-hidden="true">›</span>`)}
    </nav>`;
}

function Panel() {
  const row = chosen.value;
  const call = callsOf(row)[Math.min(chosenCall.value, callsOf(row).length - 1)] || 0;
  const shut = () => (panelOpen.value = false);
  const first = RESULTS[tab.value];
  return html`
    <aside class="panel ${panelOpen.value ? "open" : ""}" aria-label="The chosen module" tabindex="-1">
      <button type="button" class="shut" onClick=${shut} aria-label="Back to the tree">✕</button>
      ${row !== LOST && html`<${Trail} row=${row} />`}
      <h2><bdi>${nameOf(row)}</bdi></h2>
      ${row === LOST
        ? html`<p class="quiet">Nothing is known of where these nodes come from. They are in no line of the tree.</p>`
        : html`
          <p class="type"><bdi>${text(MODULES.type[row])}</bdi></p>
          ${text(MODULES.path[row]) && html`<div class="command"><code>${pathOf(row)}</code>
            ${!ALTERED.has(MODULES.path[row]) && html`<${Copy} of=${text(MODULES.path[row])} what="Copy path" />`}</div>`}`}
      ${row !== LOST && html`
        ${first && html`<${Told} key=${first.kind} result=${first} row=${row} open=${true} />`}
        <${Calls} row=${row} />
        <${Border} row=${row} call=${call} />
        <${Extract} row=${row} call=${call} />`}
      <${NodeList} key=${row} row=${row} />
      <${StandingFor} row=${row} />
      <${Weights} row=${row} />
      ${row !== LOST && RESULTS.filter((each) => each !== first).map((each) => html`
        <${Told} key=${each.kind} result=${each} row=${row} open=${RESULTS.length < 3} />`)}
    </aside>`;
}
