//! The parameters of a run, kept with it for `--resume`: a run that goes on must do what the run
//! before it would have done.
//!
//! A value that is secret is not kept, in no form: the log outlives the reason for which somebody
//! gave it. That it was given is kept, so that going on without it is refused and never done with a
//! default that nobody meant.

use std::collections::BTreeMap;

use flowglass_manifest::Plan;
use flowglass_model::RunId;

use crate::console;

/// What stands before a parameter's name in the attributes of a run.
const KEPT: &str = "param.";
/// The attribute that names the secret ones.
const NOT_KEPT: &str = "params_not_kept";

/// Shorter secrets are looked for as a whole value only: they turn up in other words by chance.
const SECRET_BYTES_MIN: usize = 4;

/// Adds the parameters that were given to the attributes of a run.
pub(super) fn keep(
    given: &[(String, String)],
    plans: &[Plan],
    attributes: &mut BTreeMap<String, String>,
) {
    // Of a name that is given twice, the last counts.
    let given: BTreeMap<&str, &str> = given.iter().map(|it| (&*it.0, &*it.1)).collect();
    let mut not_kept = Vec::new();
    for (name, value) in given {
        if plans.iter().any(|plan| is_secret(plan, name, value)) {
            not_kept.push(name);
        } else {
            attributes.insert(format!("{KEPT}{name}"), value.to_owned());
        }
    }
    if !not_kept.is_empty() {
        attributes.insert(NOT_KEPT.to_owned(), not_kept.join("\n"));
    }
}

/// Whether the manifest says so, or the value holds what is secret elsewhere in it.
fn is_secret(plan: &Plan, name: &str, value: &str) -> bool {
    plan.params().get(name).is_some_and(|it| it.shown() != it.expose())
        || plan.secrets().expose().any(|secret| {
            value == secret || (secret.len() >= SECRET_BYTES_MIN && value.contains(secret))
        })
}

/// The parameters of an earlier run.
pub(crate) struct KeptParams {
    run: RunId,
    values: BTreeMap<String, String>,
    not_kept: Vec<String>,
}

impl KeptParams {
    /// Out of the attributes of that run.
    pub(crate) fn of(run: RunId, attributes: &BTreeMap<String, String>) -> Self {
        let kept = attributes.iter();
        let kept = kept.filter_map(|(key, value)| Some((key.strip_prefix(KEPT)?, value)));
        Self {
            run,
            values: kept.map(|(name, value)| (name.to_owned(), value.clone())).collect(),
            not_kept: attributes
                .get(NOT_KEPT)
                .map_or_else(Vec::new, |it| it.lines().map(ToOwned::to_owned).collect()),
        }
    }

    /// Adds them to what was given now; what is given now wins.
    ///
    /// # Errors
    /// Names, in words, the secret ones that have to be given again.
    pub(crate) fn give(&self, given: &mut Vec<(String, String)>) -> Result<(), String> {
        let now: BTreeMap<String, String> = given.iter().cloned().collect();
        let missing: Vec<&String> =
            self.not_kept.iter().filter(|it| !now.contains_key(*it)).collect();
        if !missing.is_empty() {
            let names: Vec<String> = missing.iter().map(|it| format!("`{it}`")).collect();
            let again: Vec<String> = missing.iter().map(|it| format!("--param {it}=…")).collect();
            return Err(format!(
                "run {} was given the secret {}, which is not kept\n  hint: Give it again with `{}`.",
                self.run,
                names.join(", "),
                again.join(" ")
            ));
        }
        for (name, value) in &self.values {
            match now.get(name) {
                None => given.push((name.clone(), value.clone())),
                Some(other) if other == value => {}
                Some(_other) => console::say(&format!(
                    "warning: the parameter `{name}` was another one in run {}; nodes that \
                     completed then are not run again",
                    self.run
                )),
            }
        }
        Ok(())
    }
}
