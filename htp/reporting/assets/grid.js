// The tree as a table that folds. Only the rows that can be seen are in the document: all have one
// height, so which those are follows from how far it is scrolled.

const HEIGHT = matchMedia("(pointer: coarse)").matches ? 40 : 30;
const AROUND = 12; // rows above and below what is seen
const DEEPEST = 14; // levels by which a row is set in, at most
const PRINTED = 5000; // rows that go on paper at most

const idOf = (row) => `row-${row}`;

/** How many findings of the tab's result lie below a row that is folded. */
const foundBelow = computed(() => {
  const below = new Map();
  if (tab.value === NONE) return below;
  for (const row of RESULTS[tab.value].found) {
    for (const each of above(row)) below.set(each, (below.get(each) || 0) + 1);
  }
  return below;
});

function Twisty({ row }) {
  const open = isOpen(row);
  const turn = (event) => {
    event.stopPropagation();
    toggle(row);
  };
  if (row === LOST || !BELOW[row].length) return html`<span class="twisty none"></span>`;
  return html`<span class="twisty ${open ? "open" : ""}" onClick=${turn} aria-hidden="true"></span>`;
}

function NameCell({ row }) {
  const level = row === LOST ? 0 : LEVEL[row];
  const hits = found.value;
  const isHit = hits && (hits.rows.has(row) || hits.hit.has(row));
  const times = callsOf(row).length;
  const below = row !== LOST && !isOpen(row) && foundBelow.value.get(row);
  return html`
    <span role="gridcell" class="cell name" style=${{ "--in": Math.min(level, DEEPEST) }}>
      <${Twisty} row=${row} />
      <bdi class=${isHit ? "hit" : ""} title=${pathOf(row)}>${nameOf(row)}</bdi>
      ${times > 1 && html`<span class="times">×${times}</span>`}
      ${below > 0 && html`<span class="mark bad"><span aria-hidden="true">▲</span> ${below} below</span>`}
    </span>`;
}

function Line({ each, at, columns }) {
  const { row, place, among } = each;
  const folds = row !== LOST && BELOW[row].length > 0;
  const isFound = tab.value !== NONE && RESULTS[tab.value].isFound.has(row);
  return html`
    <div role="row" id=${idOf(row)} class="row ${isFound ? "found" : ""}"
      style=${printing.value ? {} : { top: `${at * HEIGHT}px` }}
      aria-level=${row === LOST ? 1 : LEVEL[row] + 1} aria-posinset=${place} aria-setsize=${among}
      aria-rowindex=${at + 2} aria-expanded=${folds ? String(isOpen(row)) : undefined}
      aria-selected=${String(chosen.value === row)}
      onClick=${() => choose(row, { open: true })} onDblClick=${() => folds && toggle(row)}>
      <${NameCell} row=${row} />
      ${columns.map((column) => html`
        <span role="gridcell" key=${column.key} class="cell ${column.right ? "right" : ""}">${column.cell(row)}</span>`)}
    </div>`;
}

function Heading({ column }) {
  const now = sorting.value && sorting.value.key === column.key ? sorting.value : null;
  const turn = () => {
    const down = column.right;
    if (!now) sorting.value = { key: column.key, down };
    else sorting.value = now.down === down ? { key: column.key, down: !down } : null;
  };
  const way = now ? (now.down ? "descending" : "ascending") : undefined;
  return html`
    <span role="columnheader" class="cell ${column.right ? "right" : ""}" aria-sort=${way}>
      <button type="button" tabindex="-1" title=${`${column.help} Click to sort those side by side.`} onClick=${turn}>
        ${column.title}<span class="way" aria-hidden="true">${now ? (now.down ? "▾" : "▴") : ""}</span>
      </button>
    </span>`;
}

/** From which row to which is drawn. */
function useWindow(box, size) {
  const [range, setRange] = useState([0, 60]);
  useLayoutEffect(() => {
    const look_ = () => {
      const first = Math.max(0, Math.floor(box.current.scrollTop / HEIGHT) - AROUND);
      const last = first + Math.ceil(box.current.clientHeight / HEIGHT) + 2 * AROUND;
      setRange(([one, other]) => (one === first && other === last ? [one, other] : [first, last]));
    };
    look_();
    box.current.addEventListener("scroll", look_, { passive: true });
    const watch = new ResizeObserver(look_);
    watch.observe(box.current);
    return () => watch.disconnect();
  }, [size]);
  return range;
}

/** Scroll so that the row that is chosen is seen. */
function useFollowing(box) {
  const at = placeOf.value.get(chosen.value);
  useLayoutEffect(() => {
    if (at === undefined) return;
    const [top, view] = [at * HEIGHT, box.current.clientHeight - HEIGHT]; // the heading covers one
    const off = Math.max(box.current.scrollTop - top, top + HEIGHT - box.current.scrollTop - view);
    if (off > 2 * HEIGHT) box.current.scrollTop = top - view / 2; // a jump: what is around it, too
    else if (top < box.current.scrollTop) box.current.scrollTop = top;
    else if (top + HEIGHT > box.current.scrollTop + view) box.current.scrollTop = top + HEIGHT - view;
  }, [chosen.value, at]);
}

function Tree() {
  const box = useRef(null);
  const rows = seen.value;
  const columns = columnsShown.value;
  const [first, last] = useWindow(box, rows.length);
  useFollowing(box);
  const at = placeOf.value.get(chosen.value);
  const [from, to] = printing.value ? [0, PRINTED] : [first, last];
  const drawnRows = rows.slice(from, to).map((each, number_) => [each, from + number_]);
  if (at !== undefined && (at < from || at >= to)) drawnRows.push([rows[at], at]); // who has the focus is there
  const widths = `minmax(var(--name), 1fr) ${columns.map(({ width }) => `${width}px`).join(" ")}`;
  const across = columns.reduce((all, { width }) => all + width, 0);
  return html`
    <div class="tree" role="treegrid" tabindex="0" ref=${box} aria-label="Modules" aria-rowcount=${rows.length + 1}
      aria-colcount=${columns.length + 1} aria-activedescendant=${at === undefined ? undefined : idOf(chosen.value)}
      style=${{ "--columns": widths, "--across": `${across}px`, "--row": `${HEIGHT}px` }} onKeyDown=${treeKeys}>
      <div role="row" class="row heading" aria-rowindex="1">
        <${Heading} column=${{ key: "name", title: "module", help: "The module's name below its parent.", value: nameOf }} />
        ${columns.map((column) => html`<${Heading} key=${column.key} column=${column} />`)}
      </div>
      <div role="rowgroup" class="body" style=${printing.value ? {} : { height: `${rows.length * HEIGHT}px` }}>
        ${drawnRows.map(([each, number_]) => html`
          <${Line} key=${each.row} each=${each} at=${number_} columns=${columns} />`)}
      </div>
      ${rows.length === 0 && html`<div role="row" class="empty"><${Nothing} /></div>`}
    </div>`;
}

function Nothing() {
  const asked = query.value.trim();
  return html`
    <div role="gridcell" class="nothing">
      <p>${asked ? "Nothing is called so." : "This file has no modules."}</p>
      ${asked && html`<p class="quiet">A word is found anywhere in a name; <code>*</code> and <code>?</code> stand for
        any characters of the whole name, <code>block@1</code> is the second call of <code>block</code>.</p>
        <button type="button" onClick=${() => look("", "all")}>Show all modules</button>`}
    </div>`;
}
