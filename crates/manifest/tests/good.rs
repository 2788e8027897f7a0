//! Manifests without a complaint, and the plans they become.

use flowglass_manifest::{Plan, StreamPlan};
use insta::{assert_json_snapshot, assert_snapshot};

use crate::support::{load_bytes, plan, said, workflow};

#[test]
fn every_good_manifest_has_its_plan() {
    insta::glob!("good/*.yaml", |path| {
        let bytes = std::fs::read(path).expect("the file was listed");
        let name = path.file_name().expect("a file").to_string_lossy();
        let loaded = load_bytes(&name, &bytes, &[]);
        assert!(loaded.complaints.is_empty(), "{}", said(&loaded));
        let streams = loaded.streams.iter();
        let text = loaded.plans.iter().map(Plan::to_text);
        let text: Vec<String> = text.chain(streams.clone().map(StreamPlan::to_text)).collect();
        assert_snapshot!(text.join("\n"));
        let json = loaded.plans.iter().map(Plan::to_json);
        let json: Vec<_> = json.chain(streams.map(StreamPlan::to_json)).collect();
        insta::with_settings!({ sort_maps => true }, { assert_json_snapshot!(json) });
    });
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_taken() {
    let text = workflow(&["{ id: a, command: [\"true\"] }".to_owned()]).replace('\n', "\r\n");
    let loaded = load_bytes("x.yaml", format!("\u{feff}{text}").as_bytes(), &[]);
    assert!(loaded.complaints.is_empty(), "{}", said(&loaded));
}

#[test]
fn selection_keeps_order_through_what_is_left_out() {
    let command = "command: [\"true\"]";
    let plan = plan(&workflow(&[
        format!("{{ id: a, {command} }}"),
        format!("{{ id: b, needs: [a], {command} }}"),
        format!("{{ id: c, needs: [b], {command} }}"),
        format!("{{ id: d, {command} }}"),
    ]));
    let ids = |expression: &str| {
        let part = plan.select(expression).expect(expression);
        part.nodes().iter().map(|node| node.id.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ids("b"), "b");
    assert_eq!(ids("+b"), "a b");
    assert_eq!(ids("b+"), "b c");
    assert_eq!(ids("+b+"), "a b c");
    assert_eq!(ids("a, d"), "a d");
    assert_eq!(ids("*"), "a b c d");
    let part = plan.select("a,c").expect("both are there");
    assert_eq!(
        part.node("c").expect("selected").needs,
        part.node("a").map(|it| vec![it.id.clone()]).expect("selected")
    );
    assert_eq!(part.edges().len(), 1);
    let errors = plan.select("aa,+,b").expect_err("two are wrong");
    assert_eq!(errors.len(), 2);
    assert_eq!(
        errors[0].to_string(),
        "cannot select `aa` from pipeline `test`: there is no such node; did you mean `a`?"
    );
}

#[test]
fn the_digest_ignores_layout_and_order_and_nothing_else() {
    let a = "{ id: a, command: [\"true\"] }".to_owned();
    let b = "{ id: b, command: [\"true\"] }".to_owned();
    let one = plan(&workflow(&[a.clone(), b.clone()]));
    let other = plan(&format!("# a comment\n{}", workflow(&[b, a.clone()])));
    let third = plan(&workflow(&[a, "{ id: b, command: [\"false\"] }".to_owned()]));
    assert_eq!(one.digest(), other.digest());
    assert_ne!(one.digest(), third.digest());
    assert!(one.digest().starts_with("sha256:") && one.digest().len() == 71);
}

#[test]
fn a_thousand_nodes_are_no_burden() {
    let mut nodes = vec!["{ id: n0, command: [\"true\"] }".to_owned()];
    for index in 1..1000 {
        nodes.push(format!("{{ id: n{index}, needs: [n{}], command: [\"true\"] }}", index - 1));
    }
    assert_eq!(plan(&workflow(&nodes)).nodes().len(), 1000);
}
