//! `runs export --html`: a run as one page that needs no server and asks nobody for anything, to be
//! attached to a pull request or an incident.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use flowglass_model::{Event, RunId, Snapshot};
use flowglass_server::{SNAPSHOT_PLACE, offline_page};
use flowglass_store::{LogQuery, Reader};
use serde::Serialize;

/// Log lines that a page holds at most, the last ones: a page is to be opened, not to be searched for
/// what `runs logs` finds.
const LINES_MAX: usize = 20_000;

/// What the page is made from.
#[derive(Serialize)]
struct Saved {
    #[serde(flatten)]
    snapshot: Snapshot,
    logs: Vec<Event>,
}

/// Writes the page of a run beside `output`, or to a file that is named like the run, and answers
/// where it is and how many bytes it has.
///
/// # Errors
/// What cannot be read or written; a build without the dashboard.
pub(super) fn write_page(
    reader: &Reader,
    run: RunId,
    output: Option<&Path>,
) -> anyhow::Result<(PathBuf, usize)> {
    let template = offline_page().context(
        "this build holds no dashboard: build it where `web/dist` is, or use `--output-dir`",
    )?;
    let page = page(template, &saved(reader, run)?)?;
    let place = output.map_or_else(|| PathBuf::from(format!("run-{run}.html")), Path::to_owned);
    let folder = place.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let writing = || format!("writing {}", place.display());
    std::fs::create_dir_all(folder).with_context(writing)?;
    let mut file = super::export::aside(folder).with_context(writing)?;
    file.write_all(page.as_bytes()).with_context(writing)?;
    file.persist(&place).map_err(|error| error.error).with_context(writing)?;
    Ok((place, page.len()))
}

fn saved(reader: &Reader, run: RunId) -> anyhow::Result<Saved> {
    let mut snapshot = Snapshot::default();
    reader.for_each_event(run, |event| {
        snapshot.apply(&event)?;
        Ok::<(), anyhow::Error>(())
    })?;
    let logs = reader.logs_tail(&LogQuery::of(run), LINES_MAX)?;
    Ok(Saved { snapshot, logs })
}

fn page(template: &str, saved: &Saved) -> anyhow::Result<String> {
    // Outside strings JSON has no `<`; inside them it may be spelled so that no text of a run can end
    // the element that holds it.
    let json = serde_json::to_string(saved)?.replace('<', "\\u003c");
    let (before, after) =
        template.split_once(SNAPSHOT_PLACE).context("the page has no place for a run")?;
    Ok([before, &json, after].concat())
}

#[cfg(test)]
mod tests {
    use flowglass_model::Snapshot;

    use super::{SNAPSHOT_PLACE, Saved, page};

    #[test]
    fn no_text_of_a_run_ends_the_element_that_holds_it() {
        let mut snapshot = Snapshot::default();
        let text = "</script><script>alert(1)</script><!--";
        snapshot.run.attributes.insert("note".to_owned(), text.to_owned());
        let template = format!("<script>{SNAPSHOT_PLACE}</script>");
        let page = page(&template, &Saved { snapshot, logs: Vec::new() }).unwrap();
        let json = page.strip_prefix("<script>").and_then(|it| it.strip_suffix("</script>"));
        assert!(!json.unwrap().contains('<'), "{page}");
        let read: Snapshot = serde_json::from_str(json.unwrap()).unwrap();
        assert_eq!(read.run.attributes["note"], text);
    }
}
