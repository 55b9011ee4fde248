// Puts the page together.

const THEMES = new Map([["auto", "light"], ["light", "dark"], ["dark", "auto"]]);

function Theme() {
  const next = THEMES.get(theme.value);
  useEffect(() => {
    if (theme.value === "auto") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.setAttribute("data-theme", theme.value);
  }, [theme.value]);
  return html`
    <button type="button" class="small" onClick=${() => (theme.value = next)}
      title="Colours: as the system has them, light or dark">Colours: ${theme.value}</button>`;
}

function About() {
  const box = useRef(null);
  useEffect(() => {
    if (about.value) box.current.showModal();
    else box.current.close();
  }, [about.value]);
  const libraries = read("libraries");
  return html`
    <dialog ref=${box} aria-label="About this report" onClose=${() => (about.value = false)}>
      ${about.value && html`
        <h2>About this report</h2>
        <p>Written by HTP ${HEAD.htp}${HEAD.producer.trim() ? html`; the model by <bdi>${HEAD.producer}</bdi>` : ""}. Everything is in this file:
          nothing is loaded, nothing is sent.</p>
        <h3>Keys</h3>
        <dl class="facts">
          <dt><kbd>/</kbd></dt><dd>search; <kbd>Enter</kbd> goes to the next hit</dd>
          <dt><kbd>↑</kbd> <kbd>↓</kbd></dt><dd>the module above or below</dd>
          <dt><kbd>→</kbd> <kbd>←</kbd></dt><dd>unfold and fold, or go in and out</dd>
          <dt><kbd>Enter</kbd></dt><dd>to the side panel; <kbd>Esc</kbd> back to the tree</dd>
          <dt><kbd>*</kbd></dt><dd>unfold those side by side</dd>
        </dl>
        <h3>How an owner is known</h3>
        <dl class="facts">
          <dt><${Provenance} of=${0} /></dt><dd>recorded while the exporter ran</dd>
          <dt><${Provenance} of=${1} /></dt><dd>follows from captured neighbours by data flow</dd>
          <dt><${Provenance} of=${2} /></dt><dd>read from parameter names, node names or another tool's metadata</dd>
          <dt><${Provenance} of=${3} /></dt><dd>nothing is known, and nothing is guessed</dd>
        </dl>
        <h3>Libraries in this file</h3>
        ${libraries.map((each) => html`
          <details><summary>${each.name} ${each.version}, ${each.licence}</summary><pre>${each.text}</pre></details>`)}
        <p><button type="button" onClick=${() => (about.value = false)}>Close</button></p>`}
    </dialog>`;
}

function App() {
  return html`
    <header>
      <div class="title">
        <h1><bdi>${HEAD.file}</bdi></h1>
        <p class="made">${made().map((each) => html`<span>${each}</span>`)}</p>
      </div>
      <div class="tools">
        <${Theme} />
        <button type="button" class="small" onClick=${() => (about.value = true)}>About</button>
      </div>
      <${Cards} />
    </header>
    <section class="bar" aria-label="Views and search">
      <${Tabs} />
      <${Search} />
      <${Folding} />
      <${ColumnChooser} />
    </section>
    <main>
      <div class="left" id="shown" ...${RESULTS.length ? { role: "tabpanel", "aria-labelledby": `tab-${tab.value}` } : {}}>
        <${Summary} />
        <${Tree} />
      </div>
      <${Panel} />
    </main>
    <${About} />`;
}

/** The module that the address names, as in report.html#encoder.layer.0 */
function addressed() {
  let wanted = location.hash.slice(1);
  try {
    wanted = decodeURIComponent(wanted);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
  }
  const row = wanted ? MODULES.path.findIndex((path) => text(path) === wanted) : -1;
  if (row !== -1) choose(row);
}

addressed();
addEventListener("hashchange", addressed);
addEventListener("keydown", pageKeys);
addEventListener("beforeprint", () => (printing.value = true));
addEventListener("afterprint", () => (printing.value = false));
document.getElementById("app").textContent = "";
render(html`<${App} />`, document.getElementById("app"));
