//! A real terminal: what is drawn on one, and that `NO_COLOR` keeps every escape sequence away.
//!
//! The terminal is a pseudo-terminal that `script` (util-linux) opens; what is written to it comes
//! out on standard output here, both streams of the binary in one.

use flowglass_testkit::{Flowglass, Said, Scratch};

const PIPELINE: &str = "\
apiVersion: flowglass/v1
kind: Workflow
metadata: { name: drawn }
spec:
  nodes:
    - { id: slow_one, command: [sleep, \"0.7\"] }
    - { id: last_one, needs: [slow_one], command: [\"true\"] }
";

/// The binary on a terminal, with these words after its name.
fn on_a_terminal(scratch: &Scratch, words: &str, variables: &[(&str, &str)]) -> Said {
    let command = format!("{} {words}", env!("CARGO_BIN_EXE_flowglass"));
    let call = Flowglass::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env("TERM", "xterm-256color")
        .current_dir(scratch.folder());
    variables.iter().fold(call, |call, (name, value)| call.env(name, value)).run()
}

#[test]
fn a_terminal_gets_a_live_view_and_a_table() {
    let scratch = Scratch::project(&[("pipeline.yaml", PIPELINE)]);
    let said = on_a_terminal(&scratch, "run pipeline.yaml", &[]).ok();
    // The view was drawn while the node ran, and taken off again.
    let (drawn, _rest) = said.stdout.split_once("slow_one").expect("the node is drawn");
    assert!(drawn.len() < 200, "the node is in the first picture: {said}");
    assert!(said.stdout.matches("slow_one").count() >= 3, "it was drawn again and again: {said}");
    assert!(said.stdout.contains("\x1b[2K"), "lines are cleared: {said}");
    assert!(said.stdout.contains("▸"), "a running node has its mark: {said}");
    let (_view, table) = said.stdout.rsplit_once("ATTEMPTS").expect("a table is printed");
    assert!(table.contains("slow_one") && table.contains("last_one"), "{said}");
}

#[test]
fn no_color_keeps_every_escape_sequence_away() {
    let scratch = Scratch::project(&[
        ("pipeline.yaml", PIPELINE),
        ("broken.yaml", "apiVersion: flowglass/v1\nkind: Workflow\nspec: [\n"),
    ]);
    let plain = [("NO_COLOR", "1")];
    for (words, code) in [
        ("run pipeline.yaml", 0),
        ("runs list", 0),
        ("runs show latest", 0),
        ("validate pipeline.yaml", 0),
        ("validate broken.yaml", 2),
        ("plan pipeline.yaml", 0),
    ] {
        let said = on_a_terminal(&scratch, words, &plain).expect_code(code);
        assert!(!said.stdout.contains('\x1b'), "{words}: {said}");
        assert!(!said.stdout.is_empty(), "{words} says something");
    }
    // Without it there is colour, or the search above would prove nothing.
    let said = on_a_terminal(&scratch, "validate broken.yaml", &[]).expect_code(2);
    assert!(said.stdout.contains("\x1b["), "{said}");
    // A variable that is set to nothing asks for nothing: <https://no-color.org>.
    let said = on_a_terminal(&scratch, "validate broken.yaml", &[("NO_COLOR", "")]).expect_code(2);
    assert!(said.stdout.contains("\x1b["), "{said}");
}
