//! `flowglass demo`: a server with pipelines that show what there is to see, without any service beside
//! it: a stream with dead letters, a workflow that is well, one that fails, and one that is late.

use std::io::IsTerminal as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Parser};

use super::serve::{self, ServeArgs};
use crate::console;
use crate::exit::{BadUsage, Exit};

/// What it runs; the same files are under `examples/demo`.
const MANIFESTS: &[(&str, &str)] = &[
    ("orders-live.yaml", include_str!("../../../../examples/demo/orders-live.yaml")),
    ("sales-report.yaml", include_str!("../../../../examples/demo/sales-report.yaml")),
    ("supplier-import.yaml", include_str!("../../../../examples/demo/supplier-import.yaml")),
    ("nightly-export.yaml", include_str!("../../../../examples/demo/nightly-export.yaml")),
];

/// Where the dashboard is when nobody says otherwise.
const LISTEN: &str = "127.0.0.1:8080";

/// See everything live, with made-up data and no service.
///
/// Serves a stream with dead letters, a workflow that is well, one that fails and one that is late, and
/// opens the dashboard. Everything lies in a folder that is gone at the end.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  flowglass demo\n  flowglass demo --dir shop --listen 127.0.0.1:9000"
)]
pub(crate) struct DemoArgs {
    /// The address of the dashboard; a free port of this machine when the usual one, 127.0.0.1:8080, is
    /// taken.
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Keep everything in this folder: manifests to change while they run, the store, what is written.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Do not open a browser.
    #[arg(long)]
    no_open: bool,
}

/// The arguments of `serve` by themselves.
#[derive(Parser)]
struct Served {
    #[command(flatten)]
    args: ServeArgs,
}

/// Runs the command.
///
/// # Errors
/// What keeps the server from being started.
pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<Exit> {
    let (folder, _gone_at_the_end) = match &args.dir {
        Some(dir) => (dir.clone(), None),
        None => {
            let made = tempfile::Builder::new().prefix("flowglass-demo-").tempdir()?;
            (made.path().to_owned(), Some(made))
        }
    };
    let pipelines = folder.join("pipelines");
    write(&pipelines).with_context(|| format!("writing to {}", pipelines.display()))?;
    let listen = match args.listen {
        Some(listen) => listen,
        None => free_address()?,
    };
    console::say(&format!(
        "the dashboard is at http://{listen}\nfour pipelines are in {}; Ctrl-C ends it\n",
        pipelines.display()
    ));
    let opens = !args.no_open && std::io::stderr().is_terminal();
    if opens && ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|it| std::env::var_os(it).is_some()) {
        open(&format!("http://{listen}"));
    }
    let (store, pipelines) = (folder.join("flowglass.db"), pipelines.into_os_string());
    let words = ["flowglass".into(), "--config".into(), pipelines, "--store".into(), store.into()];
    let words =
        words.into_iter().chain(["--listen".into(), listen.into(), "--drain".into(), "5s".into()]);
    let served = Served::try_parse_from(words).map_err(|error| BadUsage(error.to_string()))?;
    // A demonstration may be ended at any instant: what is left undone is no failure.
    Ok(match serve::run(served.args).await? {
        Exit::Failed => Exit::Done,
        exit => exit,
    })
}

/// Files that somebody has changed are left as they are.
fn write(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (name, text) in MANIFESTS {
        let file = folder.join(name);
        if !file.exists() {
            std::fs::write(file, text)?;
        }
    }
    Ok(())
}

fn free_address() -> std::io::Result<String> {
    let bound = TcpListener::bind(LISTEN).or_else(|_taken| TcpListener::bind("127.0.0.1:0"))?;
    Ok(bound.local_addr()?.to_string())
}

/// Opens a page as the desktop does; where that cannot be done the address was said.
fn open(address: &str) {
    let mut browser = std::process::Command::new("xdg-open");
    browser.arg(address).stdin(std::process::Stdio::null());
    browser.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    drop(browser.spawn());
}
