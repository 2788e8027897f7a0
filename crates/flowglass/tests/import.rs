//! Runs of other tools, from the files that they left behind. The artifacts are those of dbt 1.9 for a
//! small project with a model that fails, one behind it, and a test that warns.

use flowglass_testkit::{Said, Scratch};
use serde_json::Value;

use crate::support::flowglass;

const RESULTS: &str = include_str!("dbt/target/run_results.json");
const MANIFEST: &str = include_str!("dbt/target/manifest.json");

fn project() -> Scratch {
    Scratch::project(&[("target/run_results.json", RESULTS), ("target/manifest.json", MANIFEST)])
}

fn import(scratch: &Scratch, args: &[&str]) -> Said {
    flowglass(scratch, &[&["import", "dbt"][..], args].concat()).run()
}

fn show(scratch: &Scratch) -> Value {
    flowglass(scratch, &["runs", "show", "latest", "--format", "json"]).run().ok().json()
}

#[test]
fn a_call_of_dbt_becomes_a_run_with_its_graph_its_tests_and_its_tables() {
    let scratch = project();
    let said = import(&scratch, &["--namespace", "duckdb://shop"]).ok();
    let results: Value = serde_json::from_str(RESULTS).unwrap();
    let run = show(&scratch);
    assert_eq!(run["run"]["run_id"], results["metadata"]["invocation_id"], "{said}");
    assert_eq!(
        (&run["run"]["state"], &run["run"]["attributes"]["dbt_command"]),
        (&"failed".into(), &"build".into())
    );
    let pipeline = &run["pipelines"][0];
    assert_eq!(pipeline["pipeline_id"], "jaffle_shop");
    let node = |id: &str| {
        let nodes = pipeline["nodes"].as_array().unwrap();
        nodes
            .iter()
            .find(|it| it["node_id"] == id)
            .unwrap_or_else(|| panic!("{id}: {run:#}"))
            .clone()
    };
    for (id, state, reason) in [
        ("raw_orders", "complete", "ok"),
        ("stg_orders", "complete", "ok"),
        ("broken", "failed", "error"),
        ("behind", "skipped", "upstream"),
        ("not_null_customers_customer", "failed", "check"),
        ("not_null_stg_orders_customer", "complete", "warning"),
    ] {
        assert_eq!(
            (&node(id)["state"], &node(id)["reason"]),
            (&state.into(), &reason.into()),
            "{id}"
        );
    }
    assert!(node("broken")["last_error"]["detail"].as_str().unwrap().contains("no_such_column"));
    assert_eq!(node("raw_orders")["counts"]["final_rows"], 3, "{:#}", node("raw_orders"));
    let edge = serde_json::json!({ "from": "raw_orders", "to": "stg_orders" });
    assert!(pipeline["edges"].as_array().unwrap().contains(&edge));
    let assets = pipeline["assets"].as_array().unwrap();
    let customers = assets.iter().find(|it| it["name"] == "shop.main.customers").unwrap();
    assert_eq!(customers["namespace"], "duckdb://shop");
    assert_eq!(
        customers["checks"]["not_null_customers_customer"]["passed"], false,
        "{customers:#}"
    );

    // Once more changes nothing; under another name it would, and is refused.
    let events = || flowglass(&scratch, &["runs", "events", "latest"]).run().ok().stdout;
    let before = events();
    let again = import(&scratch, &["--namespace", "duckdb://shop"]).ok();
    assert!(again.stdout.contains("known already"), "{again}");
    assert_eq!(events(), before);
    let other = import(&scratch, &["--pipeline", "other"]).expect_code(1);
    assert!(other.stderr.contains("told otherwise"), "{other}");
}

#[test]
fn what_is_no_artifact_of_dbt_is_refused_with_its_place() {
    let scratch = Scratch::new();
    let absent = import(&scratch, &[]).expect_code(2);
    assert!(absent.stderr.contains("run_results.json cannot be read"), "{absent}");
    let broken = "{\n \"metadata\": 1\n}";
    let scratch = Scratch::project(&[
        ("target/run_results.json", broken),
        ("target/manifest.json", MANIFEST),
    ]);
    let refused = import(&scratch, &["target"]).expect_code(2);
    assert!(refused.stderr.contains("run_results.json:2:"), "{refused}");
}
