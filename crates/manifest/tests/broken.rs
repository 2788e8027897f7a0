//! Every broken manifest, with its golden complaint.

use insta::assert_snapshot;

use crate::support::{load_bytes, said};

#[test]
fn every_broken_manifest_has_its_complaints() {
    let mut count = 0;
    insta::glob!("broken/*.yaml", |path| {
        let bytes = std::fs::read(path).expect("the file was listed");
        let name = path.file_name().expect("a file").to_string_lossy();
        let loaded = load_bytes(&name, &bytes, &[]);
        assert!(!loaded.complaints.is_empty(), "{name} is not broken");
        // A file is named after its gravest complaint; `warns_` has no other.
        assert_eq!(loaded.has_errors(), !name.starts_with("warns_"), "{}", said(&loaded));
        assert_snapshot!(said(&loaded));
    });
    for entry in
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/broken")).expect("there")
    {
        count +=
            usize::from(entry.expect("readable").path().extension().is_some_and(|it| it == "yaml"));
    }
    assert!(count >= 40, "{count} broken manifests");
}

#[test]
fn complaints_are_data() {
    let text =
        "apiVersion: flowglass/v1\nkind: Workflow\nmetadata: { name: x }\nspec: { nodez: [] }\n";
    let loaded = load_bytes("x.yaml", text.as_bytes(), &[]);
    let json = flowglass_manifest::to_json(&loaded.complaints);
    insta::with_settings!({ sort_maps => true }, { insta::assert_json_snapshot!(json) });
}

#[test]
fn colour_is_asked_for() {
    let loaded = load_bytes("x.yaml", b"a: [", &[]);
    let plain = said(&loaded);
    let colour = flowglass_manifest::to_text(&loaded.complaints, flowglass_manifest::Style::Colour);
    assert!(!plain.contains('\u{1b}'));
    assert!(colour.contains("\u{1b}[1;31m"));
}

#[test]
fn a_terminal_is_not_steered_and_carets_stand_right() {
    let text = "a: \"\u{7}\t日本\" \nb: 1\na: 2\n";
    let loaded = load_bytes("x\u{1b}[2J.yaml", text.as_bytes(), &[]);
    let shown = said(&loaded);
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{7}'), "{shown:?}");
    let wide = format!("{{ 日本: 1, {}: 1, z: 1, z: 2 }}\n", "k".repeat(300));
    let shown = said(&load_bytes("wide.yaml", wide.as_bytes(), &[]));
    assert!(shown.lines().all(|line| line.chars().count() < 180), "{shown}");
}

#[test]
fn a_refusal_says_how_many() {
    let refused = load_bytes("x.yaml", b"", &[]).into_plans().expect_err("empty");
    assert_eq!(refused.to_string(), "the manifest cannot be used: 1 error");
    assert_eq!(refused.class(), flowglass_model::ErrorClass::Config);
}
