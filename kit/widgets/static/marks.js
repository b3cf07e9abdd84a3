// Markers by the letters of kit.palette, centred on (x, y) with radius r, added to the current path.

const CORNERS = { D: [4, 0], s: [4, Math.PI / 4], p: [5, -Math.PI / 2], h: [6, 0], "^": [3, -Math.PI / 2], v: [3, Math.PI / 2], ">": [3, 0] };

export function addMark(ctx, marker, x, y, r) {
  const corners = CORNERS[marker];
  if (corners) {
    const [count, turn] = corners;
    const reach = count < 5 ? r * 1.25 : r * 1.1;
    for (let i = 0; i < count; i++) {
      const angle = turn + (i * 2 * Math.PI) / count;
      ctx[i ? "lineTo" : "moveTo"](x + reach * Math.cos(angle), y + reach * Math.sin(angle));
    }
    ctx.closePath();
  } else if (marker === "X" || marker === "P") {
    const turn = marker === "X" ? Math.PI / 4 : 0;
    for (let i = 0; i < 12; i++) {
      const angle = turn + (Math.floor(i / 3) * Math.PI) / 2 + [-0.42, 0.42, Math.PI / 4][i % 3];
      const reach = i % 3 === 2 ? r * 0.5 : r * 1.15;
      ctx[i ? "lineTo" : "moveTo"](x + reach * Math.cos(angle), y + reach * Math.sin(angle));
    }
    ctx.closePath();
  } else if (marker === "*") {
    for (let i = 0; i < 10; i++) {
      const angle = -Math.PI / 2 + (i * Math.PI) / 5;
      const reach = i % 2 ? r * 0.55 : r * 1.3;
      ctx[i ? "lineTo" : "moveTo"](x + reach * Math.cos(angle), y + reach * Math.sin(angle));
    }
    ctx.closePath();
  } else {
    ctx.moveTo(x + r, y);
    ctx.arc(x, y, r, 0, 2 * Math.PI);
  }
}
