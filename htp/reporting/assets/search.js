// What is looked for: modules by path and class, nodes by operator, name and value, parameters.

const SCOPES = [
  ["all", "everything"],
  ["path", "paths"],
  ["class", "classes"],
  ["operator", "operators"],
  ["parameter", "parameters"],
  ["value", "values"],
  ["node", "node names"],
];

/** What says whether a text is meant: by wildcards, else where it holds what was typed. */
function meant(query) {
  if (hasWildcards(query)) return glob(query);
  const wanted = query.toLowerCase();
  return (given) => given.toLowerCase().includes(wanted);
}

/** Each number of a text once: whether that text is meant. */
function remembered(matches) {
  const known = new Map();
  return (at) => {
    if (at === NONE) return false;
    if (!known.has(at)) known.set(at, matches(TEXTS[at]));
    return known.get(at);
  };
}

const qualified = /^(path|class|operator|op|parameter|param|value|node):(.+)$/s;
const LONG = new Map([["op", "operator"], ["param", "parameter"]]);

/**
 * Search.
 * @returns null for nothing asked, else the rows that are meant themselves, the nodes, the weights,
 *   and all rows that have one of them.
 */
function search(query, scope) {
  let wanted = query.trim();
  const said = qualified.exec(wanted);
  if (said) {
    scope = LONG.get(said[1]) || said[1];
    wanted = said[2].trim();
  }
  if (!wanted) return null;
  const asks = (name) => scope === "all" || scope === name;
  const named = asks("path") ? namedRows(wanted) : [];
  const isExact = named.length > 0 && !hasWildcards(wanted);
  const rows = new Set(named);
  const found = { rows, nodes: new Set(), weights: new Set(), exact: isExact };
  if (!isExact) addOthers(found, remembered(meant(wanted)), asks, wanted);
  found.hit = new Set(rows);
  for (const node of found.nodes) found.hit.add(NODES.row[node] === NONE ? LOST : NODES.row[node]);
  for (const weight of found.weights) {
    for (const node of WEIGHTS.readers[weight]) {
      found.hit.add(NODES.row[node] === NONE ? LOST : NODES.row[node]);
    }
  }
  return found;
}

function addOthers(found, matches, asks, wanted) {
  for (let row = 0; row < ROWS; row += 1) {
    const byPath = asks("path") && !hasWildcards(wanted) && matches(MODULES.path[row]);
    if (byPath || (asks("class") && (matches(MODULES.class[row]) || matches(MODULES.type[row])))) {
      found.rows.add(row);
    }
  }
  const [operators, values, names] = [asks("operator"), asks("value"), asks("node")];
  if (operators || values || names) {
    for (let node = 0; node < NODES.row.length; node += 1) {
      if (
        (operators && matches(NODES.operator[node])) ||
        (names && matches(NODES.name[node])) ||
        (values && NODES.gives[node].some(matches)) ||
        (values && NODES.takes[node].some((name) => !MADE.has(name) && matches(name)))
      ) {
        found.nodes.add(node);
      }
    }
  }
  if (asks("parameter")) {
    WEIGHTS.name.forEach((name, weight) => {
      if (matches(name) || WEIGHTS.parameters[weight].some(matches)) found.weights.add(weight);
    });
  }
}
