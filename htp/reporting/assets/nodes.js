// Nodes in the side panel: each with its operator, how its owner is known, and what it computes.

const placeWords = new Map([["body", "in a nested body"], ["function", "in a local function"]]);

function Values({ title, of }) {
  const told = of.filter((each) => text(each));
  if (!told.length) return null;
  return html`
    <dt>${title}</dt>
    ${told.map((each) => html`
      <dd><bdi><code>${text(each)}</code></bdi> <span class="quiet">${typeOf(each)}</span></dd>`)}`;
}

function Sharing({ node }) {
  const shared = SHARED.get(node);
  if (!shared) return null;
  const how = shared.kind === NONE ? "also stands for" : `${LEGEND.sharing[shared.kind]} with`;
  return html`
    <dt>${how}</dt>
    ${shared.others.map(([row, call]) => html`<dd><${Go} row=${row} call=${call} /></dd>`)}`;
}

/** The end of a long name, which tells most of it. */
const ending = (name, open) => (open || name.length < 28 ? name : `…${name.slice(-24)}`);

function NodeItem({ node, elsewhere }) {
  const [open, setOpen] = useState(false);
  const hit = found.value && found.value.nodes.has(node);
  const evidence = NODES.evidence[node];
  const row = NODES.row[node];
  return html`
    <li class="node ${hit ? "hit" : ""}">
      <details open=${open} onToggle=${(event) => setOpen(event.currentTarget.open)}>
        <summary>
          <span class="operator"><bdi>${text(NODES.operator[node])}</bdi></span>
          <bdi class="node-name" title=${nodeName(node)}>${ending(nodeName(node), open)}</bdi>
          <${Provenance} of=${NODES.provenance[node]} />
        </summary>
        ${open && html`
          <dl class="facts">
            ${elsewhere && row !== NONE && html`<dt>owner</dt><dd><${Go} row=${row} call=${NODES.call[node]} /></dd>`}
            ${!elsewhere && NODES.call[node] > 0 && html`<dt>call</dt><dd>${NODES.call[node]}</dd>`}
            ${evidence !== NONE && html`<dt>matched by</dt><dd>${LEGEND.evidence[evidence]}</dd>`}
            ${NODES.place[node] > 0 && html`<dt>place</dt><dd>${placeWords.get(LEGEND.places[NODES.place[node]])}</dd>`}
            <${Sharing} node=${node} />
            <${Values} title="takes" of=${NODES.takes[node]} />
            <${Values} title="gives" of=${NODES.gives[node]} />
          </dl>`}
      </details>
    </li>`;
}

/** The nodes of a row; those of all below it, too, where that is asked for. */
function NodeList({ row }) {
  const [below, setBelow] = useState(false);
  const hits = found.value && found.value.nodes;
  const all = row !== LOST && below ? within(row) : [row];
  const nodes = all.length === 1 ? [...OWN[all[0]]] : all.flatMap((each) => OWN[each]);
  if (all.length > 1) nodes.sort((one, other) => one - other);
  if (hits) nodes.sort((one, other) => hits.has(other) - hits.has(one));
  const canGoDown = row !== LOST && BELOW[row].length > 0;
  return html`
    <${Section} title="Nodes" size=${below ? count(totalOf(row)) : count(ownOf(row))}>
      ${canGoDown && html`
        <label class="check"><input type="checkbox" checked=${below}
          onChange=${(event) => setBelow(event.currentTarget.checked)} /> with those of all modules below</label>`}
      ${nodes.length > 0 && html`<${Operators} nodes=${nodes} />`}
      ${nodes.length === 0
        ? html`<p class="quiet">No node is this module's own${canGoDown ? ": its work is done by what it calls." : "."}</p>`
        : html`<${Long} of=${nodes} each=${(node) => html`<${NodeItem} key=${node} node=${node} elsewhere=${below} />`} />`}
    <//>`;
}

/** How many of each operator. */
function Operators({ nodes }) {
  const counts = new Map();
  for (const node of nodes) counts.set(NODES.operator[node], (counts.get(NODES.operator[node]) || 0) + 1);
  const most = [...counts].sort(([, one], [, other]) => other - one);
  return html`
    <p class="operators">
      ${most.slice(0, 12).map(([name, times]) => html`
        <button type="button" class="tag" title="Look for this operator"
          onClick=${() => look(text(name), "operator")}><bdi>${text(name)}</bdi> <b>${count(times)}</b></button>`)}
      ${most.length > 12 && html`<span class="quiet">and ${most.length - 12} more</span>`}
    </p>`;
}

/** Nodes that are owned elsewhere and stand for calls of this row, too. */
function StandingFor({ row }) {
  const nodes = STANDING.get(row) || [];
  if (!nodes.length) return null;
  return html`
    <${Section} title="Owned elsewhere, and stands for it, too" size=${count(nodes.length)}>
      <${Long} of=${nodes} each=${(node) => html`<${NodeItem} key=${node} node=${node} elsewhere=${true} />`} />
    <//>`;
}
