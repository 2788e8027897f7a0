//! Variables, files and parameters.

use flowglass_manifest::{Action, CommandLine, Severity};

use crate::support::{Fake, codes, file, load_bytes, load_with, plan, said, workflow};

fn argument(word: &str) -> String {
    let plan = plan(&workflow(&[format!("{{ id: a, command: [echo, {word}] }}")]));
    let node = plan.nodes().first().expect("one node");
    let Action::Command(command) = &node.action else { panic!("a command") };
    let CommandLine::Argv(program) = &command.line else { panic!("an argv") };
    program.args.first().expect("one argument").expose().to_owned()
}

#[test]
fn every_form_expands() {
    for (written, value) in [
        ("\"${TENANT}\"", "acme"),
        ("\"a-${TENANT}-b\"", "a-acme-b"),
        ("\"${NOPE:-x y}\"", "x y"),
        ("\"${EMPTY:-fallback}\"", "fallback"),
        ("\"[${EMPTY}]\"", "[]"),
        ("\"${NOPE:-${TENANT}}\"", "acme"),
        ("\"$${TENANT}\"", "${TENANT}"),
        ("\"$TENANT $$\"", "$TENANT $$"),
        ("\"${file:/run/secrets/token}\"", "tok-123456"),
        ("\"${file:relative.txt}\"", "from the folder"),
        ("1.10", "1.10"),
        ("true", "true"),
    ] {
        assert_eq!(argument(written), value, "{written}");
    }
}

#[test]
fn a_bare_reference_in_a_flow_list_is_explained() {
    let loaded = load_bytes("x.yaml", b"command: [echo, ${BATCH}]\n", &[]);
    assert!(said(&loaded).contains("put a value with `${…}` in quotes"), "{}", said(&loaded));
}

#[test]
fn a_value_cannot_break_the_yaml() {
    let mut fake = Fake::usual();
    let evil = "x\", evil: \"y\n- z: {";
    fake.variables.insert("EVIL".to_owned(), evil.to_owned());
    let text = workflow(&["{ id: a, command: [echo, \"${EVIL}\"] }".to_owned()]);
    let loaded = load_with(&fake, &[file("x.yaml", text.as_bytes())], &[], Severity::Error);
    assert!(loaded.complaints.is_empty(), "{}", said(&loaded));
    let Action::Command(command) = &loaded.plans[0].nodes()[0].action else { panic!("a command") };
    let CommandLine::Argv(program) = &command.line else { panic!("an argv") };
    assert_eq!(program.args[0].expose(), evil);
}

#[test]
fn the_type_of_a_variable_follows_the_schema() {
    let node = "{ id: a, copy: { from: { type: csv, path: a.csv }, to: { type: postgres, dsn: \"${BATCH}\", table: t, port: \"${BATCH}\" } } }";
    let plan = plan(&workflow(&[node.to_owned()]));
    let Action::Copy(copy) = &plan.nodes()[0].action else { panic!("a copy") };
    assert_eq!(copy.write.to.expose()["dsn"], "5000");
    assert_eq!(copy.write.to.expose()["port"], 5000);
}

#[test]
fn parameters_have_defaults_and_can_be_set() {
    let text = workflow(&[
        "{ id: a, if: { param: day, equals: monday }, command: [echo, \"${param.day}\"] }"
            .to_owned(),
    ])
    .replace(
        "spec:\n",
        "spec:\n  params: { day: sunday, size: { default: 3, allowed: [3, 4] } }\n",
    );
    for (given, holds) in [(None, false), (Some("monday"), true)] {
        let params: Vec<(&str, &str)> = given.map(|day| ("day", day)).into_iter().collect();
        let loaded = load_bytes("x.yaml", text.as_bytes(), &params);
        assert!(loaded.complaints.is_empty(), "{}", said(&loaded));
        let node = &loaded.plans[0].nodes()[0];
        assert_eq!(node.condition.as_ref().map(|it| it.holds), Some(holds));
    }
    let loaded = load_bytes("x.yaml", text.as_bytes(), &[("dya", "x"), ("size", "5")]);
    assert_eq!(
        codes(&loaded),
        ["manifest.bad_param", "manifest.unknown_param"],
        "{}",
        said(&loaded)
    );
    assert!(said(&loaded).contains("did you mean `--param day=…`?"), "{}", said(&loaded));
}

#[test]
fn missing_values_may_be_forgiven_but_make_no_plan() {
    let node = "{ id: a, copy: { from: { type: postgres, dsn: \"${NOPE}\", table: t }, to: { type: csv, path: x, nope: 1 } } }";
    let text = workflow(&[node.to_owned()]);
    let loaded =
        load_with(&Fake::usual(), &[file("x.yaml", text.as_bytes())], &[], Severity::Warning);
    assert_eq!(
        codes(&loaded),
        ["manifest.unset_variable", "manifest.unknown_key"],
        "{}",
        said(&loaded)
    );
    assert_eq!(loaded.complaints[0].severity, Severity::Warning);
    let text = text.replace(", nope: 1", "");
    let loaded =
        load_with(&Fake::usual(), &[file("x.yaml", text.as_bytes())], &[], Severity::Warning);
    assert!(!loaded.has_errors() && loaded.plans.is_empty(), "{}", said(&loaded));
}
