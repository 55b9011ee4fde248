// The keyboard. In the tree: arrows, Home, End, pages, * for what lies beside, letters to go to the
// next module of that name.

let typedAhead = "";
let typedAt = 0;

function goTo(at) {
  const last = seen.value.length - 1;
  const each = seen.value[Math.min(Math.max(at, 0), last)];
  if (each) choose(each.row);
}

/** The next row whose name begins with what was typed. */
function ahead(letter, now) {
  typedAhead = now - typedAt < 700 ? typedAhead + letter : letter;
  typedAt = now;
  const rows = seen.value;
  const here = placeOf.value.get(chosen.value) ?? 0;
  const from = typedAhead.length > 1 ? here : here + 1;
  const wanted = typedAhead.toLowerCase();
  for (let step = 0; step < rows.length; step += 1) {
    const { row } = rows[(from + step) % rows.length];
    if (nameOf(row).toLowerCase().startsWith(wanted)) return choose(row);
  }
  return undefined;
}

/** Unfold those side by side with a row. */
function unfoldBeside(row) {
  const beside = MODULES.parent[row] === NONE || row === LOST ? ROOTS : BELOW[MODULES.parent[row]];
  batch(() => beside.filter((each) => BELOW[each].length).forEach((each) => toggle(each, true)));
}

function inwards(row) {
  if (row === LOST || !BELOW[row].length) return;
  if (isOpen(row)) goTo(placeOf.value.get(row) + 1);
  else toggle(row, true);
}

function outwards(row) {
  if (row === LOST) return;
  if (BELOW[row].length && isOpen(row)) toggle(row, false);
  else if (MODULES.parent[row] !== NONE) choose(MODULES.parent[row]);
}

function treeKeys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target !== event.currentTarget) return;
  const row = chosen.value;
  const at = placeOf.value.get(row) ?? 0;
  const page = Math.max(1, Math.floor(event.currentTarget.clientHeight / HEIGHT) - 2);
  const ways = new Map([
    ["ArrowDown", () => goTo(at + 1)],
    ["ArrowUp", () => goTo(at - 1)],
    ["ArrowRight", () => inwards(row)],
    ["ArrowLeft", () => outwards(row)],
    ["Home", () => goTo(0)],
    ["End", () => goTo(seen.value.length - 1)],
    ["PageDown", () => goTo(at + page)],
    ["PageUp", () => goTo(at - page)],
    ["Enter", openPanel],
    [" ", () => row !== LOST && BELOW[row].length && toggle(row)],
    ["*", () => unfoldBeside(row)],
  ]);
  const way = ways.get(event.key);
  if (way) way();
  else if (event.key.length === 1 && event.key !== "/") ahead(event.key, event.timeStamp);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function openPanel() {
  panelOpen.value = true;
  document.querySelector(".panel").focus();
}

/** Keys that work everywhere: "/" to search, Escape to leave the panel. */
function pageKeys(event) {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName || "");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
    const box = document.getElementById("search");
    box.focus();
    box.select();
    event.preventDefault();
  } else if (event.key === "Escape" && about.value) {
    about.value = false;
  } else if (event.key === "Escape" && !typing) {
    panelOpen.value = false;
    document.querySelector(".tree").focus();
  }
}
