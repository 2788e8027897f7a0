//! The crew as the server sees it: what HTTP may ask of running pipelines.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use flowglass_connect::Surroundings;
use flowglass_connect::stream::{LetterBox, LetterFilter, StreamState};
use flowglass_engine::stream::{REPLAY_LETTERS_MAX, Replay, ReplayJob, Sent};
use flowglass_manifest::{Severity, StreamPlan, Style, to_text};
use flowglass_model::RunId;
use flowglass_server::{
    Change, Fleet, Member, MemberPlan, Origin, Refusal, RefusalKind, Replayed, unknown,
};
use flowglass_store::Store;
use serde_json::Value;

use super::crew::{Crew, Launch};
use super::stopped::write;
use crate::manifests::{ManifestArgs, check};

/// The crew behind HTTP.
pub(super) struct Face(pub(super) Arc<Crew>);

#[async_trait]
impl Fleet for Face {
    fn members(&self) -> Vec<Member> {
        self.0.roll()
    }

    fn member(&self, name: &str) -> Option<Member> {
        self.0.one(name)
    }

    fn refused(&self) -> Vec<(String, String)> {
        let refused = self.0.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.iter().map(|(file, why)| (file.display().to_string(), why.clone())).collect()
    }

    async fn start(&self, name: &str, by: &str) -> Result<RunId, Refusal> {
        let launch = Launch { trigger: "api", by: Some(by.to_owned()), resumes: None };
        let run = self.0.launch(name, launch)?;
        self.0.stopped.remove(name);
        Ok(run)
    }

    async fn stop(&self, name: &str, _by: &str) -> Result<(), Refusal> {
        if self.0.one(name).is_none() {
            return Err(unknown(name));
        }
        self.0.stopped.add(name);
        // Its end is seen in the list; whoever asked need not wait for a stream's grace.
        drop(self.0.ask_to_stop(name));
        Ok(())
    }

    async fn replay(&self, name: &str, filter: LetterFilter) -> Result<Replayed, Refusal> {
        let member = self.0.one(name).ok_or_else(|| unknown(name))?;
        let MemberPlan::Stream(plan) = member.plan else {
            return Err(Refusal::new(RefusalKind::Conflict, format!("`{name}` is no stream")));
        };
        if member.run_id.is_some() {
            let said = format!("`{name}` runs; its letters are sent while it is stopped");
            return Err(Refusal::new(RefusalKind::Conflict, said).hint("stop it first"));
        }
        // A sink's writer belongs to one thread: so it gets one.
        let (crew, runtime) = (Arc::clone(&self.0), tokio::runtime::Handle::current());
        let sending = move || runtime.block_on(crew.replay(&plan, filter));
        tokio::task::spawn_blocking(sending).await.unwrap_or_else(|_panicked| {
            Err(Refusal::new(RefusalKind::Failed, "sending the letters ended in a fault"))
        })
    }

    async fn change(&self, change: Change, _by: &str) -> Result<String, Refusal> {
        match change {
            Change::Create { manifest } => self.0.create(&manifest).await,
            Change::Replace { name, patch, version } => {
                self.0.replace(&name, &patch, version.as_deref()).await
            }
            Change::Delete { name, version } => {
                let (file, _) = self.0.made(&name, version.as_deref())?;
                std::fs::remove_file(&file).map_err(|error| failed(&error))?;
                self.0.reload().await;
                Ok(name)
            }
        }
    }

    fn manifest(&self, name: &str) -> Option<String> {
        self.0.posts().get(name).map(|it| it.found.shown.to_string())
    }
}

fn failed(error: &std::io::Error) -> Refusal {
    let said = format!("the manifest cannot be kept: {}", error.kind());
    Refusal::new(RefusalKind::Failed, said)
}

/// JSON Merge Patch, RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(fields) = target else { return };
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name.clone()).or_insert(Value::Null), change);
        }
    }
}

impl Crew {
    /// The file of a pipeline that was made through the API, and its document.
    fn made(&self, name: &str, version: Option<&str>) -> Result<(PathBuf, Arc<str>), Refusal> {
        let posts = self.posts();
        let post = posts.get(name).ok_or_else(|| unknown(name))?;
        let file = post.found.file.clone();
        if post.found.origin == Origin::Manifest {
            let said = format!("`{name}` is described in {}", file.display());
            return Err(Refusal::new(RefusalKind::Conflict, said).hint("change that file"));
        }
        if version.is_some_and(|it| it != post.found.plan.digest()) {
            let said = format!("`{name}` has changed since; get it again");
            return Err(Refusal::new(RefusalKind::Stale, said));
        }
        Ok((file, Arc::clone(&post.found.shown)))
    }

    /// Checks a manifest of one pipeline; its name.
    fn check(&self, text: &str) -> Result<String, Refusal> {
        std::fs::create_dir_all(&self.folders.made).map_err(|error| failed(&error))?;
        let aside = tempfile::Builder::new()
            .prefix(".check-")
            .suffix(".yaml")
            .tempfile_in(&self.folders.made)
            .map_err(|error| failed(&error))?;
        std::fs::write(aside.path(), text).map_err(|error| failed(&error))?;
        let args = ManifestArgs {
            files: vec![aside.path().to_owned()],
            params: self.folders.params.clone(),
        };
        let refused = |said: String| Refusal::new(RefusalKind::Unusable, said);
        let loaded = check(&args, &self.registry, Severity::Error)
            .map_err(|error| refused(format!("{error:#}")))?;
        if loaded.has_errors() {
            let said = to_text(&loaded.complaints, Style::Plain);
            let name = aside.path().display().to_string();
            return Err(refused(said.trim_end().replace(&name, "manifest")));
        }
        let workflows = loaded.plans.iter().map(|it| it.pipeline().to_string());
        let streams = loaded.streams.iter().map(|it| it.pipeline().to_string());
        let names: Vec<String> = workflows.chain(streams).collect();
        match names.as_slice() {
            [name] => Ok(name.clone()),
            _ => Err(refused(format!("one pipeline at a time; these are {}", names.len()))),
        }
    }

    fn file_of(&self, name: &str, text: &str) -> PathBuf {
        let kind = if text.trim_start().starts_with('{') { "json" } else { "yaml" };
        self.folders.made.join(format!("{name}.{kind}"))
    }

    async fn create(self: &Arc<Self>, text: &str) -> Result<String, Refusal> {
        let name = self.check(text)?;
        if self.one(&name).is_some() {
            let said = format!("there is a pipeline `{name}` already");
            return Err(Refusal::new(RefusalKind::Conflict, said));
        }
        write(&self.file_of(&name, text), text).map_err(|error| failed(&error))?;
        self.reload().await;
        Ok(name)
    }

    async fn replace(
        self: &Arc<Self>,
        name: &str,
        patch: &Value,
        version: Option<&str>,
    ) -> Result<String, Refusal> {
        let (file, _) = self.made(name, version)?;
        let text = std::fs::read_to_string(&file).map_err(|error| failed(&error))?;
        let Ok(mut document) = serde_json::from_str::<Value>(&text) else {
            let said =
                format!("`{name}` was made from YAML, which a merge patch does not apply to");
            let hint = "delete it and make it again from JSON, or from the YAML as it should be";
            return Err(Refusal::new(RefusalKind::Conflict, said).hint(hint));
        };
        merge(&mut document, patch);
        let text = format!("{document:#}\n");
        if self.check(&text)? != name {
            let said = "the name of a pipeline cannot be changed";
            return Err(Refusal::new(RefusalKind::Unusable, said));
        }
        write(&file, &text).map_err(|error| failed(&error))?;
        self.reload().await;
        Ok(name.to_owned())
    }

    async fn replay(&self, plan: &StreamPlan, filter: LetterFilter) -> Result<Replayed, Refusal> {
        let refused = |fault: flowglass_connect::Fault| {
            Refusal::new(RefusalKind::Conflict, fault.chain()).hint(fault.advice())
        };
        let scratch = tempfile::tempdir().map_err(|error| failed(&error))?;
        let around = self.session.around(plan.base_dir(), scratch.path());
        let store = &self.session.store;
        let held = store.hold(plan.pipeline().as_str()).await.map_err(refused)?;
        let mut all = Replayed::default();
        for to in plan.sinks() {
            if filter.sink.as_ref().is_some_and(|it| *it != to.id) {
                continue;
            }
            let job = self.replay_job(plan, (to, &around))?;
            let filter = LetterFilter { sink: Some(to.id.clone()), ..filter.clone() };
            let (mut replay, mut after) = (None, 0);
            loop {
                let page = (after, REPLAY_LETTERS_MAX);
                let letters = store.letters(&job.stream, &filter, page).await.map_err(refused)?;
                let Some(last) = letters.last() else { break };
                after = last.number;
                let replay = match &mut replay {
                    Some(open) => open,
                    none => none.insert(Replay::open(&job, &held).await.map_err(refused)?),
                };
                for sent in replay.send(&letters).await.map_err(refused)? {
                    all.matched += 1;
                    match sent {
                        Sent::Delivered => all.done += 1,
                        Sent::FailedAgain { .. } => all.failed_again += 1,
                        Sent::KeptBack { .. } => all.kept_back += 1,
                    }
                }
            }
        }
        Ok(all)
    }

    fn replay_job(
        &self,
        plan: &StreamPlan,
        (to, around): (&flowglass_manifest::StreamSink, &Surroundings),
    ) -> Result<ReplayJob, Refusal> {
        let (stream, config) = (plan.pipeline().as_str(), to.connector.expose().clone());
        let sink = self.registry.stream_sink(&to.connector.kind, stream, config, around);
        let sink = sink.map_err(|fault| Refusal::new(RefusalKind::Unusable, fault.chain()))?;
        if Replay::overwrites(sink.as_ref()) {
            let said = format!(
                "sink `{}` keeps one row a key, and an old change would replace a newer one",
                to.id
            );
            let hint = "bring the rows as they are now with a resync of their table";
            return Err(Refusal::new(RefusalKind::Conflict, said).hint(hint));
        }
        Ok(ReplayJob {
            stream: stream.to_owned(),
            sink,
            state: Arc::<Store>::clone(&self.session.store),
            letters: Arc::<Store>::clone(&self.session.store),
            clock: Arc::clone(&self.session.clock),
        })
    }
}

/// Where pipelines that are made through the API lie.
pub(super) fn made_folder(store: &Path) -> PathBuf {
    store.with_extension("pipelines")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::merge;

    #[test]
    fn a_merge_patch_does_what_its_standard_shows() {
        // Examples of RFC 7396, appendix A.
        for (target, patch, expected) in [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b","b":"c"}), json!({"a":null}), json!({"b":"c"})),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":{"b":"c"}}), json!({"a":{"b":"d","c":null}}), json!({"a":{"b":"d"}})),
            (json!({"a":[1]}), json!({"a":{"b":1}}), json!({"a":{"b":1}})),
            (json!({}), json!({"a":{"bb":{"ccc":null}}}), json!({"a":{"bb":{}}})),
        ] {
            let mut merged = target.clone();
            merge(&mut merged, &patch);
            assert_eq!(merged, expected, "{target} with {patch}");
        }
    }
}
