//! Any bytes at all: an answer or a fault, and never a panic.

use flowglass_connect::ReadRequest;
use proptest::prelude::*;
use serde_json::json;

use super::read;

/// Bytes that mean something to the parsers, so that chance gets further than the first check.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "\"", ",", "\n", "\r\n", "a", "1", "-", ".", "e", "{", "}", "[", "]", ":", "null",
            "true", "\\", "\\u00", "{\"a\":1}\n", "2024-01-01", "T10:00:00Z", "9223372036854775808",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn no_bytes_make_a_source_panic(bytes in bytes(), header in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("in"), &bytes).unwrap();
        for (kind, config) in [
            ("csv", json!({ "path": "in", "header": header })),
            ("jsonl", json!({ "path": "in" })),
            ("parquet", json!({ "path": "in" })),
        ] {
            if let Err(fault) = read(kind, config, folder.path(), ReadRequest::default()) {
                prop_assert_ne!(fault.class(), flowglass_model::ErrorClass::Internal);
            }
        }
    }
}
