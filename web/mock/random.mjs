// Small deterministic chance, so that the made-up fleet is the same in every session.

export function chance(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export const pick = (random, list) => list[Math.floor(random() * list.length)];

/** A run id that says which made-up run it is. */
export const madeUpId = (n) => `01a1f000-0000-7000-8000-${n.toString(16).padStart(12, "0")}`;
export const numberOf = (id) =>
  id.startsWith("01a1f000-0000-7000-8000-") ? Number.parseInt(id.slice(24), 16) : undefined;
