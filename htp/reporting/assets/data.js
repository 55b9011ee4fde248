// The document that the page shows. Texts are numbers of a table; nothing in it is a name of ours,
// so what is looked up by text is a Map, never an object.

const read = (id) => JSON.parse(document.getElementById(id).textContent);

const DATA = read("data");
const { head: HEAD, legend: LEGEND, modules: MODULES, nodes: NODES, weights: WEIGHTS } = DATA;
const TEXTS = DATA.texts;
const ALTERED = new Set(DATA.altered);
const RESULTS = DATA.results;

const ROWS = MODULES.parent.length;
const LOST = ROWS; // the row of nodes whose owner is not known
const NONE = -1;
const FIGURES = ["parameters", "bytes", "macs", "activations", "unknown"];

const text = (at) => (at === NONE ? "" : TEXTS[at]);
const sum = (numbers) => numbers.reduce((all, each) => all + each, 0);

/** For each row the rows below it, in the order of the forward pass; roots are below NONE. */
const BELOW = Array.from({ length: ROWS }, () => []);
const ROOTS = [];
MODULES.parent.forEach((parent, row) => (parent === NONE ? ROOTS : BELOW[parent]).push(row));

/** For each row, and for LOST, the nodes that it owns itself, in document order. */
const OWN = Array.from({ length: ROWS + 1 }, () => []);
NODES.row.forEach((row, node) => OWN[row === NONE ? LOST : row].push(node));

/** For each row how far below its root it is. */
const LEVEL = [];
MODULES.parent.forEach((parent, row) => (LEVEL[row] = parent === NONE ? 0 : LEVEL[parent] + 1));

/** What a row is called. */
function pathOf(row) {
  if (row === LOST) return "(unknown owner)";
  return text(MODULES.path[row]) || "(root)";
}
const nameOf = (row) => (row === LOST ? "(unknown owner)" : text(MODULES.name[row]) || "(root)");
const classOf = (row) => (row === LOST ? "" : text(MODULES.class[row]));
const ownOf = (row) => (row === LOST ? OWN[LOST].length : sum(MODULES.own[row]));
const totalOf = (row) => (row === LOST ? OWN[LOST].length : sum(MODULES.total[row]));
const figureOf = (row, name) => (row === LOST ? null : MODULES.figures[row][FIGURES.indexOf(name)]);
const callsOf = (row) => (row === LOST ? [] : MODULES.calls[row]);

/** Rows from the root down to the parent. */
function above(row) {
  const found = [];
  for (let at = MODULES.parent[row]; at !== NONE && at !== undefined; at = MODULES.parent[at]) {
    found.push(at);
  }
  return found.reverse();
}

/** The row and all below it. */
function within(row) {
  const found = [row];
  for (let at = 0; at < found.length; at += 1) {
    for (const each of BELOW[found[at]] || []) found.push(each);
  }
  return found;
}

/** A node's own name, or that of its first value. */
function nodeName(node) {
  return text(NODES.name[node]) || text(NODES.gives[node].find((each) => text(each))) || "(no name)";
}

const SHARED = new Map(NODES.shared.map(([node, kind, others]) => [node, { kind, others }]));

/** For each row nodes that are owned elsewhere and stand for calls of it, too. */
const STANDING = new Map();
for (const [node, { others }] of SHARED) {
  for (const row of new Set(others.map(([at]) => at))) {
    if (row === NODES.row[node]) continue;
    if (!STANDING.has(row)) STANDING.set(row, []);
    STANDING.get(row).push(node);
  }
}

/** For each row the weights that its own nodes read. */
const READ = Array.from({ length: ROWS + 1 }, () => []);
WEIGHTS.readers.forEach((readers, weight) => {
  const rows = new Set(readers.map((node) => (NODES.row[node] === NONE ? LOST : NODES.row[node])));
  for (const row of rows) READ[row].push(weight);
});

/** What nodes compute, by the numbers of the names. */
const MADE = new Set(NODES.gives.flat());

/** The type of a value, by the number of its name. */
const TYPES = new Map(DATA.types.name.map((name, at) => [name, DATA.types.type[at]]));
const typeOf = (value) => (TYPES.has(value) ? text(TYPES.get(value)) : "");

/** For each row where its calls begin in DATA.borders. */
const FIRST_BORDER = [];
MODULES.calls.reduce((at, calls, row) => {
  FIRST_BORDER[row] = at;
  return at + calls.length;
}, 0);
const borderOf = (row, call) => DATA.borders[FIRST_BORDER[row] + callsOf(row).indexOf(call)];

/** For each result the place of each row in it. */
for (const result of RESULTS) {
  result.at = new Map(result.rows.map((row, at) => [row, at]));
  result.isFound = new Set(result.found);
}
const cellOf = (result, row, column) => {
  const at = result.at.get(row);
  return at === undefined ? null : result.cells[at][column];
};
