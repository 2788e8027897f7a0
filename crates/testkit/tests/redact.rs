//! Two runs that differ in nothing but ids, times and sizes look the same.

use flowglass_testkit::Redact;

fn table(id: &str, time: &str, size: &str) -> String {
    format!(
        "run {id}\nat 2026-03-04T05:06:07.{}Z\nload   {time:>9}   {size:>9}   12 rows\n{{\"duration_seconds\": 1.5e-3, \"rows\": 12}}",
        id.len()
    )
}

#[test]
fn ids_times_and_sizes_do_not_show_and_the_rest_does() {
    Redact::new().all().bind(|| {
        for run in [
            table("0190c4a0-5b2e-7c11-8a2b-1234567890ab", "9 ms", "1.5 MiB"),
            table("ffffffff-5b2e-7c11-8a2b-1234567890ab", "1m 12.25 s", "900 B"),
        ] {
            insta::allow_duplicates! {
                insta::assert_snapshot!(run, @r#"
                run 00000000-0000-0000-0000-000000000000
                at 2000-01-01T00:00:00.000000Z
                load  [time]  [size]  12 rows
                {"duration_seconds": 0, "rows": 12}
                "#);
            }
        }
    });
}

#[test]
fn a_folder_is_named() {
    let folder = std::path::Path::new("/tmp/x-1.y");
    Redact::new().path(folder, "project").bind(|| {
        insta::assert_snapshot!("/tmp/x-1.y/out.csv", @"[project]/out.csv");
        insta::assert_snapshot!("/tmp/x-1zy/out.csv", @"/tmp/x-1zy/out.csv");
    });
}
