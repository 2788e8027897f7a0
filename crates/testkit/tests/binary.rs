//! The runner, shown with a shell in the place of the binary.

use std::time::Duration;

use flowglass_testkit::{Flowglass, Scratch};

fn shell(script: &str) -> Flowglass {
    Flowglass::new("/bin/sh").args(["-c", script])
}

#[test]
fn both_streams_the_code_and_the_input_are_seen() {
    let said = shell("read word; echo \"out $word $MARK\"; echo err >&2; exit 3")
        .stdin("hello\n")
        .env("MARK", "set")
        .run();
    assert_eq!(
        (said.code(), said.stdout.as_str(), said.stderr.as_str()),
        (Some(3), "out hello set\n", "err\n")
    );
}

#[test]
fn the_callers_environment_stays_outside_and_the_folder_is_its_own() {
    let scratch = Scratch::new();
    let said = shell("env | grep -c CARGO; pwd").current_dir(scratch.folder()).run().ok();
    assert_eq!(said.stdout, format!("0\n{}\n", scratch.folder().canonicalize().unwrap().display()));
}

#[test]
fn a_hang_is_a_failure_that_shows_what_was_said_before() {
    let hung = std::panic::catch_unwind(|| {
        shell("echo here; sleep 1000").time_limit(Duration::from_millis(200)).run()
    });
    let message = *hung.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("killed after 200ms") && message.contains("here"), "{message}");
}

#[test]
fn json_is_read_strictly() {
    assert_eq!(shell("echo '{\"a\": 1}'").run().json()["a"], 1);
    assert_eq!(shell("echo 1; echo 2").run().ndjson(), [1, 2]);
    assert!(std::panic::catch_unwind(|| shell("echo '{\"a\": NaN}'").run().json()).is_err());
}
