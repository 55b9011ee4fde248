// What the reader chose. Everything that is drawn follows from these.

const { h, render, options } = preact;
const { useEffect, useLayoutEffect, useRef, useState } = preactHooks;
const { signal, computed, batch } = preactSignals;
const html = htm.bind(h);

const OPEN_AT_FIRST = 60; // rows that are unfolded at first, about: what fits on two screens

/** The rows to unfold at first: level by level, as long as few rows become seen. */
function unfolded() {
  const found = new Set();
  let level = ROOTS;
  let seen = level.length;
  while (level.length) {
    const below = level.flatMap((row) => BELOW[row]);
    if (seen + below.length > OPEN_AT_FIRST && found.size) break;
    for (const row of level) if (BELOW[row].length) found.add(row);
    seen += below.length;
    level = below;
  }
  return found;
}

const expanded = signal(unfolded());
const chosen = signal(ROOTS[0] ?? LOST); // the row in the side panel, and where the keyboard is
const chosenCall = signal(0); // which of its calls, by place
const tab = signal(NONE); // NONE: modules; else the result
const sorting = signal(null); // {key, down}, or null for the order of the forward pass
const query = signal("");
const scope = signal("all");
const isSmall = matchMedia("(max-width: 40rem)").matches;
const LEFT_OUT = isSmall ? ["class", "calls", "own", "shared", "bytes", "activations"] : ["activations"];
const hidden = signal(new Set(LEFT_OUT)); // columns of the modules' tab that are not shown
const panelOpen = signal(false); // on small screens, where the panel lies over the tree
const about = signal(false);
const printing = signal(false);
const theme = signal("auto");
const announced = signal("");

const found = computed(() => search(query.value, scope.value));

/** Choose a row; and unfold what is above it. */
function choose(row, { open = false, call = 0 } = {}) {
  batch(() => {
    const missing = row === LOST ? [] : above(row).filter((each) => !expanded.value.has(each));
    if (missing.length) expanded.value = new Set([...expanded.value, ...missing]);
    if (chosen.value !== row) chosenCall.value = call;
    chosen.value = row;
    if (open) panelOpen.value = true;
  });
}

function toggle(row, wanted = !isOpen(row)) {
  const next = new Set(found.value ? folded() : expanded.value);
  if (wanted) next.add(row);
  else next.delete(row);
  if (found.value) searchOpen.value = next;
  else expanded.value = next;
}

// While something is looked for, what is unfolded is what leads to it, and what the reader changes.
const searchOpen = signal(null);
const led = computed(() => found.value && leading(found.value));
const folded = () => searchOpen.value || led.value;
const isOpen = (row) => (found.value ? folded() : expanded.value).has(row);

/** The rows above those that are hit. */
function leading(hits) {
  const rows = new Set();
  for (const row of hits.hit) {
    let at = row === LOST ? NONE : MODULES.parent[row];
    for (; at !== NONE && !rows.has(at); at = MODULES.parent[at]) rows.add(at);
  }
  return rows;
}

function look(text_, scope_ = scope.value) {
  batch(() => {
    query.value = text_;
    scope.value = scope_;
    searchOpen.value = null;
  });
}
