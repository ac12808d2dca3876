/** Colours of objects 0-9 that people with any colour vision tell apart (Okabe and Ito 2008, and three greys-off). */
export const PALETTE: readonly [number, number, number][] = [
  [230, 159, 0],
  [86, 180, 233],
  [0, 158, 115],
  [240, 228, 66],
  [213, 94, 0],
  [204, 121, 167],
  [0, 114, 178],
  [255, 255, 255],
  [170, 68, 153],
  [136, 204, 238],
];

/** Marks that tell objects apart without colour. */
export const MARKS = ["●", "■", "▲", "◆", "✚", "★", "⬟", "⬢", "▼", "✖"] as const;

export function css(object: number): string {
  const [r, g, b] = PALETTE[object % PALETTE.length] ?? [255, 255, 255];
  return `rgb(${r} ${g} ${b})`;
}
