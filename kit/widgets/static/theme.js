// Colours of the page around a view, and the palette made readable on it.

function channels(colour) {
  const hex = /^#([0-9a-f]{6})$/i.exec(colour.trim());
  if (hex) return [0, 2, 4].map((at) => parseInt(hex[1].slice(at, at + 2), 16));
  const short = /^#([0-9a-f]{3})$/i.exec(colour.trim());
  if (short) return [...short[1]].map((digit) => parseInt(digit + digit, 16));
  const rgb = /rgba?\(([^)]+)\)/.exec(colour);
  return rgb ? rgb[1].split(/[ ,/]+/).slice(0, 3).map(Number) : [255, 255, 255];
}

function luminance(colour) {
  const [r, g, b] = channels(colour).map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** The contrast of two colours by WCAG 2.2, 1 to 21. */
export function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

/** `share` of one colour over the other, as #rrggbb. */
export function mixed(one, other, share) {
  const [a, b] = [channels(one), channels(other)];
  return "#" + a.map((value, i) => Math.round(value * share + b[i] * (1 - share)).toString(16).padStart(2, "0")).join("");
}

/** The colour, moved towards the ink until it stands out from the paper by 3:1. */
export function readable(colour, paper, ink) {
  for (let share = 1; share > 0; share -= 0.1) {
    const found = mixed(colour, ink, share);
    if (contrast(found, paper) >= 3) return found;
  }
  return ink;
}

/** The colours in force at an element: those of its CSS variables. */
export function themeOf(element) {
  const style = getComputedStyle(element);
  const paper = style.getPropertyValue("background-color") || "#ffffff";
  const ink = style.getPropertyValue("color") || "#1a1a1a";
  const dark = luminance(paper) < luminance(ink);
  const solid = mixed(paper, paper, 1);
  const text = mixed(ink, ink, 1);
  return {
    dark,
    paper: solid,
    ink: text,
    muted: mixed(text, solid, 0.65),
    line: mixed(text, solid, 0.35),
    faint: mixed(text, solid, 0.16),
    band: mixed(text, solid, 0.04),
    accent: readable("#0072B2", solid, text),
    colour: (wanted) => readable(wanted, solid, text),
    tint: (wanted, share) => mixed(readable(wanted, solid, text), solid, share),
  };
}
