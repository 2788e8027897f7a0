// Datasets by the naming convention of OpenLineage: the one text that identifies one, and back.

import type { AssetRef } from "./types";

export function assetId({ namespace, name }: AssetRef): string {
  return `${namespace}${namespace.includes("://") ? "/" : ":"}${name}`;
}

export function parseAssetId(id: string): AssetRef | undefined {
  const scheme = id.indexOf("://");
  const cut = scheme >= 0 ? id.indexOf("/", scheme + 3) : id.indexOf(":");
  if (cut < 0) return undefined;
  return { namespace: withoutCredentials(id.slice(0, cut)), name: id.slice(cut + 1) };
}

function withoutCredentials(namespace: string): string {
  const at = namespace.indexOf("://");
  const scheme = at >= 0 ? namespace.slice(0, at + 3) : "";
  const rest = namespace.slice(scheme.length).split(/[?#]/)[0] ?? "";
  return scheme + rest.slice(rest.lastIndexOf("@") + 1);
}
