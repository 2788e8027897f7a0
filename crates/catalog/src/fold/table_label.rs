//! What a ledger's `table` may be called in a label.
//!
//! A ledger names a dataset exactly, by its asset id: a path for a file. A label may not: paths and
//! hosts are without bound and belong in events.

use std::borrow::Cow;

use flowglass_model::AssetRef;

/// Stands for every file and object.
const FILE: &str = "file";

/// Stands for every name that is not plainly a table's.
const OTHER: &str = "other";

/// Namespaces whose names are paths.
const PATHS: &[&str] =
    &["file", "s3", "gs", "abfss", "abfs", "wasbs", "hdfs", "dbfs", "http", "https", "ftp", "sftp"];

/// The longest table name kept: three PostgreSQL identifiers and their dots.
const NAME_BYTES_MAX: usize = 3 * 63 + 2;

/// The label for a dataset: the table's name without its host, [`FILE`] for files, [`OTHER`] for
/// what cannot be told apart from a path.
pub(super) fn table_label(dataset: &str) -> Cow<'_, str> {
    let Some(asset) = AssetRef::from_id(dataset) else {
        return if is_table(dataset) { Cow::Borrowed(dataset) } else { Cow::Borrowed(OTHER) };
    };
    let scheme = asset.namespace.split(':').next().unwrap_or_default();
    if PATHS.iter().any(|it| scheme.eq_ignore_ascii_case(it)) {
        return Cow::Borrowed(FILE);
    }
    // An embedded database has its own path before the table.
    let table = asset.name.rsplit(['/', '#']).next().unwrap_or_default();
    if is_table(table) { Cow::Owned(table.to_owned()) } else { Cow::Borrowed(OTHER) }
}

fn is_table(name: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '-' | '.');
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_holds_a_table_and_never_a_path_or_a_host() {
        for (dataset, label) in [
            ("public.orders", "public.orders"),
            ("postgres://db:5432/shop.public.orders", "shop.public.orders"),
            ("file:data/orders.csv", "file"),
            ("file:/srv/odd name\n\"é\".csv", "file"),
            ("s3://bucket/2024/01/part-0.parquet", "file"),
            ("sqlite:///var/lib/shop.db/orders", "orders"),
            ("data/orders.csv", "other"),
            ("postgres://db:5432/a b", "other"),
            ("", "other"),
        ] {
            assert_eq!(table_label(dataset), label, "{dataset:?}");
        }
    }
}
