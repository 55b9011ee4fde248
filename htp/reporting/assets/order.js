// Which rows are seen, in which order.

/** What a row is sorted by, or null. */
function sortKey(row) {
  const column = columnsOf(tab.value).find((each) => each.key === sorting.value.key);
  return column ? column.value(row) : null;
}

/** Rows side by side in the order that was asked for; those without a value come last. */
function ordered(rows) {
  if (!sorting.value || rows.length < 2) return rows;
  const { down } = sorting.value;
  const keyed = rows.map((row, at) => [row, sortKey(row), at]);
  keyed.sort(([, one, first], [, other, second]) => {
    if (one === other || (one == null && other == null)) return first - second;
    if (one == null) return 1;
    if (other == null) return -1;
    const way = typeof one === "string" || typeof other === "string"
      ? String(one).localeCompare(String(other))
      : one - other;
    return (down ? -way : way) || first - second;
  });
  return keyed.map(([row]) => row);
}

/** The rows that are seen, each with its place among those side by side. */
const seen = computed(() => {
  const hits = found.value;
  const keep = hits && new Set([...hits.hit, ...led.value]);
  const told = [];
  const wanted = (row, inside) => !hits || inside || keep.has(row);
  const pending = [];
  const push = (rows, inside) => {
    const shown = ordered(rows.filter((row) => wanted(row, inside)));
    for (let at = shown.length - 1; at >= 0; at -= 1) {
      pending.push({ row: shown[at], place: at + 1, among: shown.length, inside });
    }
  };
  push(ROOTS, false);
  while (pending.length) {
    const each = pending.pop();
    told.push(each);
    // what a pattern names are modules and all below them
    if (isOpen(each.row)) push(BELOW[each.row], each.inside || (hits && hits.rows.has(each.row)));
  }
  if (OWN[LOST].length && (!hits || hits.hit.has(LOST))) {
    told.push({ row: LOST, place: 1, among: 1, inside: false });
  }
  return told;
});

const placeOf = computed(() => new Map(seen.value.map(({ row }, at) => [row, at])));

/** Unfold all rows down to a level. */
function unfoldTo(level) {
  const rows = new Set();
  for (let row = 0; row < ROWS; row += 1) if (LEVEL[row] < level && BELOW[row].length) rows.add(row);
  expanded.value = rows;
  searchOpen.value = found.value ? rows : null;
}
