//! From arguments to a server that answers, and from a signal to its end.
//!
//! The address is taken first, so that a second server on it stops before it has touched anything; the
//! probes answer from then on, and `/startup` says when everything is under way. At the end `/ready`
//! flips first, then what runs is drained, then the last answers are given.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use flowglass_catalog::Prefix;
use flowglass_catalog::signals::{PanicSeen, Signal as _};
use flowglass_connect::Tasks;
use flowglass_model::LogLevel;
use flowglass_server::{
    Access, Certificate, Journal, MetricsServer, Note, Options, Parts, Server, Service,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::config::Folders;
use super::crew::Crew;
use super::face::{Face, made_folder};
use super::journal::Lines;
use super::needs::dependencies;
use super::retain::Keep;
use super::stopped::Stopped;
use super::watch::keep_reading;
use crate::commands::run::{Session, StoreArgs};
use crate::console;
use crate::exit::{BadUsage, Exit};
use crate::manifests::parse_param;
use crate::registry::registry;

/// How long the last answers may take once everything is drained.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// Run streams and scheduled workflows for as long as the process lives, with API and dashboard.
///
/// Manifests of the folder are read again when they change and on SIGHUP; a broken one keeps what it said
/// before. SIGTERM drains: `/ready` says 503, streams deliver what they have read, and the process ends.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    flowglass serve --config pipelines/\n  \
    flowglass serve --config pipelines/ --listen 0.0.0.0:8080 --tokens /run/secrets/tokens\n  \
    flowglass serve --config pipelines/ --listen 0.0.0.0:8443 --tokens tokens --tls-cert chain.pem --tls-key key.pem\n\n\
    Without tokens only this machine is answered. A file of tokens has one a line: NAME ROLE TOKEN, \
    where the role is read, operate or admin.\n\
    LOG_FORMAT (json, console) and LOG_LEVEL (debug, info, warn, error) shape the log on standard \
    error.\n\n\
    Exit codes: 0 drained, 1 failed or not drained in time, 2 bad usage.")]
pub(crate) struct ServeArgs {
    /// The folder of manifests; those below it count too.
    #[arg(long, env = "FLOWGLASS_CONFIG", value_name = "DIR")]
    config: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArgs,
    /// The address to answer on.
    #[arg(
        long,
        env = "FLOWGLASS_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "HOST:PORT"
    )]
    listen: String,
    /// Answer `/metrics` and `/health` on this address too, without a token.
    #[arg(long, value_name = "HOST:PORT")]
    metrics_addr: Option<String>,
    /// What metric names begin with.
    #[arg(long, value_name = "PREFIX", value_parser = parse_prefix)]
    metrics_prefix: Option<Prefix>,
    /// The file of tokens.
    #[arg(long, env = "FLOWGLASS_TOKENS_FILE", value_name = "FILE")]
    tokens: Option<PathBuf>,
    /// The certificates to show, PEM, the server's own first: then only HTTPS is answered.
    #[arg(long, env = "FLOWGLASS_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate, PEM.
    #[arg(long, env = "FLOWGLASS_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Answer everybody who reaches the address, without a token.
    #[arg(long)]
    insecure_allow_anonymous: bool,
    /// Gives a parameter of the manifests a value; may be repeated.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parse_param)]
    params: Vec<(String, String)>,
    #[command(flatten)]
    keep: Keep,
    /// How long what runs may take to drain after SIGTERM.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_duration)]
    drain: Duration,
}

fn parse_prefix(text: &str) -> Result<Prefix, String> {
    Prefix::parse(text).map_err(|error| error.to_string())
}

pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    flowglass_manifest::parse_duration(text)
}

/// Serves until a signal.
///
/// # Errors
/// What keeps the server from being started.
pub(crate) async fn run(args: ServeArgs) -> anyhow::Result<Exit> {
    let journal: Arc<dyn Journal> = Arc::new(Lines::of_environment()?);
    let needs = dependencies()?;
    let access = access(&args)?;
    if let Some(folder) = args.config.as_ref().filter(|it| !it.is_dir()) {
        let said = format!("`--config {}` is no folder", folder.display());
        return Err(BadUsage(said).into());
    }
    let certificate = certificate(&args)?;
    let scheme = if certificate.is_some() { "https" } else { "http" };
    let session = Session::open(&args.store)?;
    let made = made_folder(session.store.path());
    let stopped = Stopped::open(session.store.path().with_extension("stopped"))?;
    let folders = Folders { written: args.config.clone(), made, params: args.params.clone() };
    let (store, meters) = (Arc::clone(&session.store), session.meters.clone());
    let clock = Arc::clone(&session.clock);
    let parts = (Arc::clone(&journal), folders, stopped);
    let crew = Crew::new(session, registry(), parts);
    let prefix = args.metrics_prefix.clone().unwrap_or_default();
    let service = Service::new(
        Parts {
            store,
            meters: meters.clone(),
            clock,
            fleet: Arc::new(Face(Arc::clone(&crew))),
            journal,
            access,
            build: (env!("CARGO_PKG_VERSION"), revision()),
        },
        Options { prefix: prefix.clone(), ..Options::default() },
    );
    service.depends_on(needs);
    hear_panics(&crew);
    let server = Server::bind(Arc::clone(&service), &args.listen).await;
    let server = server.map_err(|error| BadUsage(chain(&error)))?.with_tls(certificate);
    let mut tasks = Tasks::new();
    let (close, closing) = watch::channel(false);
    if let Some(address) = &args.metrics_addr {
        let page = MetricsServer::bind(address, meters, prefix).await;
        let page = page.context("`--metrics-addr` cannot be used")?;
        let over = over(closing.clone());
        tasks.spawn("metrics-page", async move {
            page.serve(over).await.ok();
        });
    }
    // Said on standard output: a script that starts a server on a free port reads it there.
    console::out(&format!("listening on {scheme}://{}\n", server.address()))?;
    let address = server.address().to_string();
    crew.note(LogLevel::Info, "listening", &[("address", &address)]);
    let serving = over(closing.clone());
    tasks.spawn("http", async move {
        server.serve(serving).await.ok();
    });
    tasks.spawn("sampler", Arc::clone(&service).sample(over(closing)));
    let late = serve(&args, (&crew, &service)).await?;
    close.send_replace(true);
    // A client that keeps its connection must not keep the process.
    tokio::time::timeout(LAST_ANSWERS, tasks.join_all()).await.ok();
    Ok(if late.is_empty() { Exit::Done } else { Exit::Failed })
}

/// Starts everything and waits for a signal; then drains. What did not end in time.
async fn serve(
    args: &ServeArgs,
    (crew, service): (&Arc<Crew>, &Arc<Service>),
) -> anyhow::Result<Vec<String>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Heard from now on: one that comes while manifests are read must not end the process.
    let hangup = signal(SignalKind::hangup())?;
    let lost = crew.recover().await?;
    let broken = crew.reload().await;
    crew.catch_up(lost).await;
    let (count, broken) = (crew.roll().len().to_string(), broken.len().to_string());
    let facts = [("pipelines", &*count), ("broken_files", &*broken)];
    crew.note(LogLevel::Info, "started", &facts);
    service.started_up();
    notify_systemd("READY=1");
    let working = async {
        let reading = keep_reading(Arc::clone(crew), args.config.clone(), hangup);
        tokio::join!(crew.keep_time(), crew.retain(args.keep), reading);
    };
    tokio::select! {
        () = working => {}
        _told = terminate.recv() => {}
        _told = interrupt.recv() => {}
    }
    service.drain();
    notify_systemd("STOPPING=1");
    crew.note(LogLevel::Info, "draining", &[]);
    let late = tokio::select! {
        late = crew.drain(args.drain) => late,
        _again = terminate.recv() => console::leave(Exit::Interrupted),
        _again = interrupt.recv() => console::leave(Exit::Interrupted),
    };
    if late.is_empty() {
        crew.note(LogLevel::Info, "drained", &[]);
    } else {
        crew.note(LogLevel::Error, "not_drained", &[("not_ended", &late.join(", "))]);
    }
    Ok(late)
}

async fn over(mut closing: watch::Receiver<bool>) {
    // A sender that is gone closes too.
    closing.wait_for(|it| *it).await.ok();
}

fn access(args: &ServeArgs) -> anyhow::Result<Access> {
    let Some(file) = &args.tokens else {
        return Ok(Access::anonymous(args.insecure_allow_anonymous));
    };
    let text = std::fs::read_to_string(file)
        .map_err(|error| BadUsage(format!("reading {}: {}", file.display(), error.kind())))?;
    let access =
        Access::parse(&text).map_err(|error| BadUsage(format!("{}: {error}", file.display())))?;
    if access.is_anonymous() {
        let said = format!("{} holds no token", file.display());
        return Err(BadUsage(said).into());
    }
    Ok(access)
}

fn revision() -> &'static str {
    option_env!("FLOWGLASS_REVISION").unwrap_or("unknown")
}

fn certificate(args: &ServeArgs) -> anyhow::Result<Option<Certificate>> {
    let Some((certificates, key)) = args.tls_cert.as_ref().zip(args.tls_key.as_ref()) else {
        return Ok(None);
    };
    let read = Certificate::read(certificates, key).map_err(|error| BadUsage(chain(&error)))?;
    Ok(Some(read))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(it) = cause {
        text.push_str(&format!(": {it}"));
        cause = it.source();
    }
    text
}

/// Every panic is counted and told of, without what it says: that may hold anything.
fn hear_panics(crew: &Arc<Crew>) {
    let (process, journal) = (crew.session.meters.process(), Arc::clone(&crew.journal));
    let clock = Arc::clone(&crew.session.clock);
    std::panic::set_hook(Box::new(move |panic| {
        PanicSeen.count(&process);
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        journal.note(Note::new(clock.now(), LogLevel::Error, "panic").with("at", at));
    }));
}

/// Tells systemd how far we are, when it started us (`sd_notify(3)`).
fn notify_systemd(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let Ok(socket) = std::os::unix::net::UnixDatagram::unbound() else { return };
    let text = path.to_string_lossy();
    let sent = match text.strip_prefix('@') {
        #[cfg(target_os = "linux")]
        Some(name) => {
            use std::os::linux::net::SocketAddrExt as _;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name);
            address.and_then(|it| socket.send_to_addr(state.as_bytes(), &it))
        }
        _ => socket.send_to(state.as_bytes(), &path),
    };
    // Whoever listens there is not ours to mend.
    sent.ok();
}
