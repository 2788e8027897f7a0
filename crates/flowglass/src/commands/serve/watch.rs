//! When the manifests are read again: on SIGHUP, and when the system tells that a file changed.
//!
//! Changes come in bursts, as an editor writes aside and renames, and a deployment writes many files:
//! so the folders are read when nothing was told for a moment.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flowglass_model::LogLevel;
use notify::event::ModifyKind;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;

use super::crew::Crew;

/// So long nothing must be told before the folders are read.
const QUIET: Duration = Duration::from_millis(200);

/// They are read after so long in any case.
const QUIET_WITHIN: Duration = Duration::from_secs(2);

/// Reads the folders again whenever there is a reason, for ever.
pub(super) async fn keep_reading(crew: Arc<Crew>, folder: Option<PathBuf>, mut hangup: Signal) {
    let (tell, mut told) = mpsc::channel(1);
    let _watcher = folder.and_then(|it| match watcher(&it, tell.clone()) {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            let facts = [("why", &*error.to_string()), ("instead", "send SIGHUP after a change")];
            crew.note(LogLevel::Warn, "manifests_not_watched", &facts);
            None
        }
    });
    let mut known = None;
    loop {
        let why = tokio::select! {
            _asked = hangup.recv() => "signal",
            _changed = told.recv() => "files",
        };
        // Files that never come to rest must not keep the others from being read.
        let quiet = async { while tokio::time::timeout(QUIET, told.recv()).await.is_ok() {} };
        tokio::time::timeout(QUIET_WITHIN, quiet).await.ok();
        let looking = Arc::clone(&crew);
        let stamp = tokio::task::spawn_blocking(move || looking.folders.stamp()).await.ok();
        // Pipelines write files that are named like manifests, too.
        if why == "files" && stamp.is_some() && stamp == known {
            continue;
        }
        known = stamp;
        let broken = crew.reload().await;
        let level = if broken.is_empty() { LogLevel::Info } else { LogLevel::Error };
        let count = broken.len().to_string();
        crew.note(level, "manifests_reloaded", &[("because", why), ("broken_files", &count)]);
    }
}

fn watcher(folder: &Path, tell: mpsc::Sender<()>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // Reading a file changes nothing, and what streams write beside the manifests is none; a
        // full channel says already that there is something.
        if event.is_ok_and(|it| concerns(&it)) {
            tell.try_send(()).ok();
        }
    })?;
    watcher.watch(folder, RecursiveMode::Recursive)?;
    Ok(watcher)
}

/// Whether an event may have changed a manifest: a file that is named like one, or a folder that came
/// or went and may hold some. What happens inside a folder is told by itself.
fn concerns(event: &Event) -> bool {
    let moved = matches!(
        event.kind,
        EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))
    );
    !event.kind.is_access()
        && event.paths.iter().any(|path| {
            let hidden = path.file_name().is_some_and(|it| it.to_string_lossy().starts_with('.'));
            match path.extension().and_then(|it| it.to_str()) {
                _ if hidden => false,
                Some("yaml" | "yml" | "json") => true,
                // What is gone cannot be asked whether it was a folder.
                Some(_) => moved && path.is_dir(),
                None => moved && (path.is_dir() || !path.exists()),
            }
        })
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, ModifyKind};
    use notify::{Event, EventKind};

    use super::concerns;

    #[test]
    fn what_pipelines_write_beside_their_manifests_changes_none() {
        let folder = tempfile::tempdir().unwrap();
        let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let made = EventKind::Create(CreateKind::Any);
        let says = |kind: EventKind, name: &str| {
            concerns(&Event::new(kind).add_path(folder.path().join(name)))
        };
        std::fs::write(folder.path().join("rows"), "").unwrap();
        std::fs::create_dir(folder.path().join("more.d")).unwrap();
        assert!(says(written, "a.yaml") && says(made, "more.d"));
        for quiet in
            [(written, "rows.jsonl"), (written, "rows"), (made, "rows"), (written, "more.d")]
        {
            assert!(!says(quiet.0, quiet.1), "{quiet:?}");
        }
        assert!(!says(written, ".a.yaml.swp") && !says(made, ".a.yaml"));
    }
}
