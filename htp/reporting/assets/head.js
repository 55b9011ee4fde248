// The top of the page: whose file this is, what there is to say of all of it, tabs and search.

const ROOT_FIGURES = new Map(FIGURES.map((name, at) => [name, HEAD.figures[at]]));

function made() {
  const opsets = HEAD.opsets.map(([domain, version]) => `${domain} ${version}`).join(", ");
  const by = HEAD.backend ? [`backend ${HEAD.backend}`, `torch ${HEAD.torch}`] : ["not exported by HTP"];
  return [...by, opsets && `opset ${opsets}`, `IR ${HEAD.ir}`].filter(Boolean);
}

const Card = ({ title, value, children, press, pressed }) => html`
  <${press ? "button" : "div"} class="card ${press ? "press" : ""}" ...${press ? { type: "button", onClick: press, "aria-pressed": String(pressed) } : {}}>
    <span class="card-title">${title}</span>
    <span class="card-value">${value}</span>
    <span class="card-more">${children}</span>
  <//>`;

function macsCard() {
  const [macs, unknown] = [ROOT_FIGURES.get("macs"), ROOT_FIGURES.get("unknown")];
  const when = HEAD.shapes.length ? `with ${HEAD.shapes.join(", ")}` : "";
  if (!unknown) return [short(macs), when || "multiply-accumulates"];
  return [macs ? `≥ ${short(macs)}` : "unknown", `not known of ${plural(unknown, "node")}; --shape may tell`];
}

const toldOf = ({ found: hits_, rows }) =>
  hits_.length ? `${plural(hits_.length, "module")} to look at` : rows.length ? `of ${plural(rows.length, "module")}` : "";

function Cards() {
  const [macs, macsMore] = macsCard();
  const evidence = HEAD.evidence.map(([kind, times]) => `${count(times)} by ${kind}`).join(", ");
  const all = sum(HEAD.coverage);
  const go = (at) => () => showTab(at);
  return html`
    <section class="cards" aria-label="In short">
      <${Card} title="Nodes" value=${count(all)}>
        <${Coverage} counts=${HEAD.coverage} wide=${true} />
        ${evidence && html`<span class="quiet">carried: ${evidence}</span>`}
      <//>
      <${Card} title="Modules" value=${count(ROWS)}>
        <span class="quiet">${plural(MODULES.calls.reduce((times, each) => times + each.length, 0), "call")}</span>
      <//>
      <${Card} title="Parameters" value=${short(ROOT_FIGURES.get("parameters"))}>
        <span class="quiet">${bytes(ROOT_FIGURES.get("bytes"))} of weights</span>
      <//>
      <${Card} title="MACs" value=${macs}><span class="quiet">${macsMore}</span><//>
      ${RESULTS.map((result, at) => html`
        <${Card} title=${result.title} press=${go(at)} pressed=${tab.value === at}
          value=${html`<${Mark} of=${[result.state, result.lines[0]]} />`}>
          <span class="quiet">${toldOf(result)}</span>
        <//>`)}
    </section>`;
}

/** Show a tab; of a result with findings the first of them. */
function showTab(at) {
  batch(() => {
    tab.value = at;
    sorting.value = null;
    if (at !== NONE && RESULTS[at].found.length) choose(RESULTS[at].found[0]);
  });
}

function Tabs() {
  const all = [[NONE, "Modules"], ...RESULTS.map((result, at) => [at, result.title])];
  const move = (event) => {
    const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!way) return;
    const next = (tab.value + 1 + way + all.length) % all.length;
    showTab(all[next][0]);
    event.currentTarget.children[next].focus();
    event.preventDefault();
  };
  if (all.length === 1) return null;
  return html`
    <div class="tabs" role="tablist" aria-label="What is shown of the modules" onKeyDown=${move}>
      ${all.map(([at, title]) => html`
        <button type="button" role="tab" id=${`tab-${at}`} aria-selected=${String(tab.value === at)} aria-controls="shown"
          tabindex=${tab.value === at ? 0 : -1} onClick=${() => showTab(at)}>${title}</button>`)}
    </div>`;
}

/** How much was found. */
function hits() {
  const told = found.value;
  if (!told) return "";
  const parts = [
    told.rows.size && plural(told.rows.size, "module"),
    told.nodes.size && plural(told.nodes.size, "node"),
    told.weights.size && plural(told.weights.size, "parameter"),
  ].filter(Boolean);
  return parts.length ? parts.join(", ") : "nothing found";
}

/** The next row that is hit, behind the one that is chosen. */
function nextHit(way = 1) {
  const rows = seen.value.map(({ row }) => row).filter((row) => found.value.hit.has(row));
  if (!rows.length) return;
  const here = placeOf.value.get(chosen.value) ?? -1;
  const places = rows.map((row) => placeOf.value.get(row));
  const next = way > 0 ? places.findIndex((at) => at > here) : places.findLastIndex((at) => at < here);
  choose(rows[next === -1 ? (way > 0 ? 0 : rows.length - 1) : next]);
}

function Search() {
  const keys_ = (event) => {
    if (event.key === "Enter" && found.value) nextHit(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") look("");
    else if (event.key === "ArrowDown") document.querySelector(".tree").focus();
    else return;
    event.preventDefault();
  };
  const [typed, setTyped] = useState("");
  const timer = useRef(0);
  useEffect(() => setTyped(query.value), [query.value]);
  const type = (event) => {
    const { value } = event.currentTarget;
    setTyped(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => look(value), NODES.row.length > 20000 ? 250 : 60);
  };
  return html`
    <div class="search" role="search">
      <label class="unseen" for="scope">Where to look</label>
      <select id="scope" value=${scope.value} onChange=${(event) => look(query.value, event.currentTarget.value)}>
        ${SCOPES.map(([name, words]) => html`<option value=${name}>${words}</option>`)}
      </select>
      <label class="unseen" for="search">Search</label>
      <input id="search" type="search" autocomplete="off" spellcheck=${false} value=${typed} onInput=${type}
        onKeyDown=${keys_} placeholder="Search, e.g. *.attention or MatMul" aria-describedby="hits" />
      <kbd aria-hidden="true">/</kbd>
      <span id="hits" class="quiet" role="status">${hits()}</span>
    </div>`;
}

function ColumnChooser() {
  if (tab.value !== NONE) return null;
  const turn = (key) => () => {
    const next = new Set(hidden.value);
    if (!next.delete(key)) next.add(key);
    hidden.value = next;
  };
  return html`
    <details class="menu">
      <summary>Columns</summary>
      <div class="menu-body">${MODULE_COLUMNS.map(({ key, title, help }) => html`
        <label class="check" title=${help}><input type="checkbox" checked=${!hidden.value.has(key)} onChange=${turn(key)} /> ${title}</label>`)}</div>
    </details>`;
}

const deepest = LEVEL.reduce((most, each) => Math.max(most, each), 0);

function Folding() {
  return html`
    <span class="folding" role="group" aria-label="Fold">
      <button type="button" class="small" onClick=${() => unfoldTo(1)} title="Fold all but the root">Fold</button>
      <button type="button" class="small" onClick=${() => unfoldTo(deepest + 1)} title="Unfold everything">Unfold all</button>
    </span>`;
}

/** What the result of this tab says of the whole. */
function Summary() {
  if (tab.value === NONE) return HEAD.remarks.length ? html`<${Remarks} />` : null;
  const result = RESULTS[tab.value];
  const at = result.found.indexOf(chosen.value);
  const next = () => choose(result.found[(at + 1) % result.found.length], { open: false });
  const [first, ...more] = result.lines;
  return html`
    <div class="summary ${result.state}">
      <p><strong><${Mark} of=${[result.state, first]} /></strong> ${more.slice(0, 3).join(" ")}</p>
      ${more.length > 3 && html`<details><summary>${plural(more.length - 3, "more remark")}</summary>
        ${more.slice(3).map((each) => html`<p>${each}</p>`)}</details>`}
      ${result.found.length > 0 && html`
        <button type="button" class="small" onClick=${next}>${at === -1 ? "Show the first" : `Next (${at + 1} of ${result.found.length})`}</button>`}
      ${result.apart.length > 0 && html`
        <details><summary>${plural(result.apart.length, "row")} of no module in this file</summary>
          <${Long} of=${result.apart} each=${([name, , cells, notes]) => html`
            <li><bdi><code>${name}</code></bdi> ${cells.map((cell, place) => cell !== null && html`${drawn(result.columns[place][1], cell)} `)}
            ${notes.map(([label, told]) => html`<div class="quiet">${label}: ${told}</div>`)}</li>`} />
        </details>`}
    </div>`;
}

const Remarks = () => html`
  <details class="summary note"><summary>${plural(HEAD.remarks.length, "remark")} on the cost</summary>
    ${HEAD.remarks.map((each) => html`<p>${each}</p>`)}
  </details>`;
