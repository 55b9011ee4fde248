// The columns of each tab. A column has a key, a title, what it means, a width in pixels, what a
// row is sorted by (null for nothing to say) and what is drawn.

const dash = html`<span class="quiet" aria-hidden="true">·</span>`;
const figure = (row, name, written) => {
  const value = figureOf(row, name);
  return value ? html`<span title=${count(value)}>${written(value)}</span>` : dash;
};

/** Multiply-accumulates; of some nodes they may not be known. */
function macsCell(row) {
  const [value, unknown] = [figureOf(row, "macs"), figureOf(row, "unknown")];
  if (!unknown) return value ? html`<span title=${count(value)}>${short(value)}</span>` : dash;
  const why = `not known of ${plural(unknown, "node")}`;
  return html`<span title=${why}>${value ? `≥ ${short(value)}` : "unknown"}</span>`;
}

const MODULE_COLUMNS = [
  { key: "class", title: "class", width: 120, help: "The module's class.",
    value: classOf, cell: (row) => html`<bdi title=${row === LOST ? "" : text(MODULES.type[row])}>${classOf(row)}</bdi>` },
  { key: "calls", title: "calls", width: 50, right: true, help: "How often it is called here.",
    value: (row) => callsOf(row).length, cell: (row) => (callsOf(row).length ? count(callsOf(row).length) : dash) },
  { key: "own", title: "own", width: 50, right: true, help: "Nodes of exactly this module.",
    value: ownOf, cell: (row) => (ownOf(row) ? count(ownOf(row)) : dash) },
  { key: "nodes", title: "nodes", width: 56, right: true, help: "Its nodes and those of all below it.",
    value: totalOf, cell: (row) => (totalOf(row) ? count(totalOf(row)) : dash) },
  { key: "shared", title: "shared", width: 66, right: true,
    help: "Nodes that are owned elsewhere and stand for it, too.",
    value: (row) => (row === LOST ? 0 : MODULES.shared[row]),
    cell: (row) => (row !== LOST && MODULES.shared[row] ? count(MODULES.shared[row]) : dash) },
  { key: "provenance", title: "provenance", width: 166, help: "How the owners of its nodes are known.",
    value: (row) => (row === LOST ? null : MODULES.total[row][0] / (totalOf(row) || 1)),
    cell: (row) => html`<${Coverage} counts=${row === LOST ? [0, 0, 0, OWN[LOST].length] : MODULES.total[row]} />` },
  { key: "parameters", title: "parameters", width: 86, right: true,
    help: "Elements of the parameters and buffers that its nodes read, each once.",
    value: (row) => figureOf(row, "parameters"), cell: (row) => figure(row, "parameters", short) },
  { key: "bytes", title: "bytes", width: 68, right: true, help: "Of all weights that its nodes read.",
    value: (row) => figureOf(row, "bytes"), cell: (row) => figure(row, "bytes", bytes) },
  { key: "macs", title: "MACs", width: 72, right: true,
    help: "Multiply-accumulates of matrix products and convolutions, as far as shapes are known.",
    value: (row) => figureOf(row, "macs"), cell: macsCell },
  { key: "activations", title: "activations", width: 96, right: true,
    help: "Elements of the values that its nodes compute, as far as shapes are known.",
    value: (row) => figureOf(row, "activations"), cell: (row) => figure(row, "activations", short) },
].filter(({ key }) => key !== "shared" || MODULES.shared.some((each) => each));

const FORMS = new Map([
  ["seconds", { width: 80, right: true, draw: seconds }],
  ["share", { width: 144, right: true, draw: (value) => html`<${Share} of=${value} />` }],
  ["number", { width: 122, right: true, draw: number }],
  ["decibels", { width: 80, right: true, draw: decibels }],
  ["count", { width: 78, right: true, draw: (value) => (typeof value === "number" ? count(value) : value) }],
  ["text", { width: 150, draw: (value) => html`<bdi title=${value}>${value}</bdi>` }],
  ["mark", { width: 156, draw: (value) => html`<${Mark} of=${value} />` }],
]);
const ENDS = new Map([["inf", Infinity], ["-inf", -Infinity], ["nan", null]]);

/** One cell of a result, as it is drawn. */
const drawn = (form, value) => (value === null || value === undefined ? dash : FORMS.get(form).draw(value));

function resultColumns(result) {
  const [first] = MODULE_COLUMNS;
  const columns = result.columns.map(([title, form, help], at) => ({
    key: `result ${at}`, title, help, ...FORMS.get(form),
    value: (row) => {
      const cell = cellOf(result, row, at);
      if (Array.isArray(cell)) return cell[1];
      return ENDS.has(cell) ? ENDS.get(cell) : cell;
    },
    cell: (row) => drawn(form, cellOf(result, row, at)),
  }));
  return isSmall ? columns : [first, ...columns];
}

const RESULT_COLUMNS = RESULTS.map(resultColumns);

/** All columns of a tab. */
const columnsOf = (at) => (at === NONE ? MODULE_COLUMNS : RESULT_COLUMNS[at]);

/** Those that are shown. */
const columnsShown = computed(() =>
  columnsOf(tab.value).filter(({ key }) => tab.value !== NONE || !hidden.value.has(key)));
