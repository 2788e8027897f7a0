//! When the manifests are read again: on SIGHUP, and when the system tells that a file changed.
//!
//! Changes come in bursts, as an editor writes aside and renames, and a deployment writes many files:
//! so the folders are read when nothing was told for a moment.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flowglass_model::LogLevel;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
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
    loop {
        let why = tokio::select! {
            _asked = hangup.recv() => "signal",
            _changed = told.recv() => "files",
        };
        // Files that never come to rest must not keep the others from being read.
        let quiet = async { while tokio::time::timeout(QUIET, told.recv()).await.is_ok() {} };
        tokio::time::timeout(QUIET_WITHIN, quiet).await.ok();
        let broken = crew.reload().await;
        let level = if broken.is_empty() { LogLevel::Info } else { LogLevel::Error };
        let count = broken.len().to_string();
        crew.note(level, "manifests_reloaded", &[("because", why), ("broken_files", &count)]);
    }
}

fn watcher(folder: &Path, tell: mpsc::Sender<()>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading a file changes nothing, and what streams write beside the manifests is none; a
        // full channel says already that there is something.
        let concerns = |it: notify::Event| {
            !it.kind.is_access() && it.paths.iter().any(|path| may_be_manifest(path))
        };
        if event.is_ok_and(concerns) {
            tell.try_send(()).ok();
        }
    })?;
    watcher.watch(folder, RecursiveMode::Recursive)?;
    Ok(watcher)
}

/// Whether the path is named like a manifest, or like a folder that may hold some.
fn may_be_manifest(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|it| it.to_string_lossy().starts_with('.'));
    let kind = path.extension().and_then(|it| it.to_str());
    !hidden && matches!(kind, None | Some("yaml" | "yml" | "json"))
}
