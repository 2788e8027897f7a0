//! The reference page is what the catalog prints.

use std::path::Path;

#[test]
fn the_reference_page_is_printed_from_the_catalog() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/reference/metrics.md");
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        page == flowglass_catalog::markdown(),
        "docs/src/reference/metrics.md differs from the catalog: run `cargo xtask generate`"
    );
}
