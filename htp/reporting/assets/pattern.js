// Patterns, as every command of HTP takes them: an exact path first; else shell wildcards, where
// * and ? match any characters, dots included; @1 at the end is the second call.

const hasWildcards = (pattern) => /[*?[]/.test(pattern);

/** The end of a set that begins behind "[", or -1 where there is none. */
function endOfSet(pattern, at) {
  let end = at;
  if (pattern[end] === "!") end += 1;
  if (pattern[end] === "]") end += 1;
  end = pattern.indexOf("]", end);
  return end;
}

/** Whether a character is in a set such as "a-z_" or "!0-9". */
function inSet(set, character) {
  const negated = set[0] === "!";
  let found = false;
  for (let at = negated ? 1 : 0; at < set.length; at += 1) {
    if (set[at + 1] === "-" && at + 2 < set.length) {
      found = found || (set[at] <= character && character <= set[at + 2]);
      at += 2;
    } else {
      found = found || set[at] === character;
    }
  }
  return found !== negated;
}

/** The pattern as steps: "*" (any characters), "?" (one), or what says whether one fits. */
function steps(pattern) {
  const found = [];
  for (let at = 0; at < pattern.length; at += 1) {
    const character = pattern[at];
    const end = character === "[" ? endOfSet(pattern, at + 1) : -1;
    if (character === "*" || character === "?") found.push(character);
    else if (end !== -1) {
      const set = pattern.slice(at + 1, end);
      found.push((each) => inSet(set, each));
      at = end;
    } else found.push((each) => each === character);
  }
  return found;
}

/** What says whether a text matches: in time proportional to text times pattern at the worst. */
function glob(pattern) {
  const wanted = steps(pattern);
  return (given) => {
    let at = 0;
    let step = 0;
    let star = -1; // the last * and where what it stands for ends
    let from = 0;
    while (at < given.length) {
      const next = wanted[step];
      if (next === "*") {
        star = step;
        from = at;
        step += 1;
      } else if (next !== undefined && (next === "?" || next(given[at]))) {
        at += 1;
        step += 1;
      } else if (star !== -1) {
        from += 1;
        at = from;
        step = star + 1;
      } else return false;
    }
    while (wanted[step] === "*") step += 1;
    return step === wanted.length;
  };
}

/** The rows whose module a pattern names: of the most exact way only. */
function namedRows(pattern) {
  const [, before, number] = /^(.*)@([0-9]{1,18})$/s.exec(pattern) || [];
  const exact = [];
  const called = [];
  const wild = [];
  const matches = glob(pattern);
  for (let row = 0; row < ROWS; row += 1) {
    const path = text(MODULES.path[row]);
    const calls = callsOf(row);
    if (path === pattern && pattern) exact.push(row);
    else if (number !== undefined && path === before && calls.includes(Number(number))) called.push(row);
    else if (matches(path) || calls.some((call) => number !== undefined && matches(`${path}@${call}`))) {
      wild.push(row);
    }
  }
  return [exact, called, wild].find((each) => each.length) || [];
}
