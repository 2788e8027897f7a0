// Words that are put together for the page, apart from what draws them, so that they can be tested.

/** The title of what needs attention without the pipeline's name, which stands before it. */
export function plainTitle({ title, pipeline }: { title: string; pipeline: string }): string {
  const name = pipeline.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const rest = title.replace(new RegExp(`^${name} | of ${name}(?![\\w-])`), "");
  return rest.replace(/^(is|has) /, "");
}

/** An argument as a shell would take it back. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
