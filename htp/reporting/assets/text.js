// Numbers as people read them.

const whole = new Intl.NumberFormat("en-US");

/** 27648 as "27,648". */
const count = (number) => whole.format(number);

/** Three digits: 0.00123, 12.3, 1.2e-7. Texts ("inf") pass through. */
function number(value) {
  if (typeof value !== "number") return value === "inf" ? "∞" : value === "-inf" ? "−∞" : value;
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(2);
  return size >= 1000 ? count(Math.round(value)) : String(Number(value.toPrecision(3)));
}

/** A number and a unit: 27.6 k, 1.2 M. */
function scaled(value, units, step) {
  let at = 0;
  while (value >= step && at < units.length - 1) {
    value /= step;
    at += 1;
  }
  const digits = at === 0 ? String(value) : Number(value.toPrecision(3)).toString();
  return units[at] ? `${digits} ${units[at]}` : digits;
}

const short = (value) => scaled(value, ["", "k", "M", "G", "T"], 1000);
const bytes = (value) => scaled(value, ["B", "kB", "MB", "GB", "TB"], 1000);

/** Seconds: 1.2 s, 340 ms, 12.1 µs. */
function seconds(value) {
  if (typeof value !== "number") return number(value);
  const [factor, unit] = value >= 1 ? [1, "s"] : value >= 1e-3 ? [1e3, "ms"] : [1e6, "µs"];
  const told = value * factor;
  return `${told >= 1000 ? Math.round(told) : Number(told.toPrecision(3))} ${unit}`;
}

/** A share: never 100 % unless it is all, never 0 unless it is nothing. */
function share(value) {
  if (typeof value !== "number") return number(value);
  if (value >= 0.9995 && value < 1) return "99.9 %";
  if (value > 0 && value < 0.0005) return "<0.1 %";
  return `${(value * 100).toFixed(1)} %`;
}

const decibels = (value) => (typeof value === "number" ? `${value.toFixed(1)} dB` : `${number(value)} dB`);

/** "1 node", "2 nodes". */
const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;
