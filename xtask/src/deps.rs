//! `cargo xtask deps`: what tests and benchmarks need beside Rust, installed from Debian's packages,
//! from PyPI and from Maven Central.
//!
//! Each need is checked first, so that a machine that has everything is left alone and no package
//! list is fetched. Services that a Debian package starts by itself are not used: tests start their
//! own, on free ports in temporary folders (`crates/testkit`).

mod kafka;
mod node;

use std::process::Command;

use anyhow::{Context, Result, bail};

pub(crate) use self::node::npm;
use crate::args::Args;
use crate::{repo, say, shell};

/// Something a test or a benchmark cannot do without.
struct Need {
    what: &'static str,
    why: &'static str,
    /// Debian packages that bring it.
    packages: &'static [&'static str],
    is_there: fn() -> bool,
}

const FOR_TESTS: &[Need] = &[
    Need {
        what: "postgres",
        why: "the Postgres connector is tested against the real server",
        packages: &["postgresql"],
        is_there: has_postgres,
    },
    Need {
        what: "sqlite3",
        why: "an independent reader of the SQLite files that we write",
        packages: &["sqlite3"],
        is_there: || shell::find("sqlite3").is_some(),
    },
    Need {
        what: "script and prlimit",
        why: "the binary is run on a terminal, and on a disk without room",
        packages: &["bsdutils", "util-linux"],
        is_there: || ["script", "prlimit"].iter().all(|it| shell::find(it).is_some()),
    },
    Need {
        what: "redis-server",
        why: "the Redis sink is tested against the real server",
        packages: &["redis-server"],
        is_there: || shell::find("redis-server").is_some(),
    },
    Need {
        what: "openssl",
        why: "it makes the certificates of test servers",
        packages: &["openssl"],
        is_there: || shell::find("openssl").is_some(),
    },
    Need {
        what: "make, pkg-config and the headers of OpenSSL",
        why: "librdkafka is built from source",
        packages: &["make", "pkg-config", "libssl-dev"],
        is_there: || {
            shell::find("make").is_some() && shell::works("pkg-config", &["--exists", "openssl"])
        },
    },
    Need {
        what: "java",
        why: "Apache Kafka runs on it",
        packages: &["default-jre-headless"],
        is_there: || shell::find("java").is_some(),
    },
    Need {
        what: "mvn",
        why: "it fetches Apache Kafka from Maven Central",
        packages: &["maven"],
        is_there: || kafka::is_there() || shell::find("mvn").is_some(),
    },
    Need {
        what: "promtool",
        why: "Prometheus' own judgement of our metric pages",
        packages: &["prometheus"],
        is_there: || shell::find("promtool").is_some(),
    },
    Need {
        what: "chromium",
        why: "the dashboard is walked in a real browser",
        packages: &["chromium"],
        is_there: || shell::find("chromium").is_some(),
    },
];

/// What brings Node.js where the machine's own is too old.
const PYTHON: Need = Need {
    what: "python3 with venv",
    why: "it brings a newer Node.js than the machine's",
    packages: &["python3", "python3-venv"],
    is_there: || shell::works("python3", &["-c", "import venv, ensurepip"]),
};

const FOR_BENCHES: &[Need] =
    &[Need { why: "the tools that we are measured against are Python packages", ..PYTHON }];

/// What benchmarks are measured against, pinned, since a figure without a version says nothing.
const PYTHON_PACKAGES: &[&str] =
    &["duckdb==2.0.0", "dlt[postgres,parquet]==1.31.0", "sqlalchemy==2.0.44", "dpone==0.7.10"];

/// `deps [--check] [--bench]`.
pub(crate) fn command(mut args: Args) -> Result<bool> {
    let only_check = args.flag("--check");
    let bench = args.flag("--bench");
    args.finish()?;
    if only_check {
        return Ok(check(bench));
    }
    for_tests()?;
    if bench {
        for_benches()?;
    }
    say::talk("deps: everything is there");
    Ok(true)
}

/// Installs what tests need.
pub(crate) fn for_tests() -> Result<()> {
    provide(FOR_TESTS)?;
    if node::needs_python() {
        provide(&[PYTHON])?;
    }
    node::provide()?;
    kafka::provide()
}

/// Installs what benchmarks need, beyond what tests do.
pub(crate) fn for_benches() -> Result<()> {
    provide(FOR_BENCHES)?;
    python_packages()
}

fn check(bench: bool) -> bool {
    let mut fine = true;
    for need in FOR_TESTS.iter().chain(FOR_BENCHES.iter().filter(|_| bench)) {
        let there = (need.is_there)();
        fine &= there;
        let state = if there { "there" } else { "missing" };
        say::talk(&format!(
            "{state:>8}  {}: {} (Debian: {})",
            need.what,
            need.why,
            need.packages.join(" ")
        ));
    }
    let there = node::is_there();
    fine &= there;
    let state = if there { "there" } else { "missing" };
    say::talk(&format!("{state:>8}  node: the dashboard is built and tested with it"));
    let there = kafka::is_there();
    fine &= there;
    let state = if there { "there" } else { "missing" };
    say::talk(&format!(
        "{state:>8}  target/kafka: the Kafka sink is tested against the real broker"
    ));
    if bench {
        let there = has_python_packages();
        fine &= there;
        let state = if there { "there" } else { "missing" };
        say::talk(&format!("{state:>8}  target/venv: {}", PYTHON_PACKAGES.join(" ")));
    }
    fine
}

fn provide(needs: &[Need]) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !(need.is_there)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for need in &missing {
        say::talk(&format!("deps: {} is missing ({})", need.what, need.why));
    }
    let packages: Vec<&str> =
        missing.iter().flat_map(|need| need.packages.iter().copied()).collect();
    install(&packages)?;
    match missing.iter().find(|need| !(need.is_there)()) {
        None => Ok(()),
        Some(need) => {
            bail!("{} is still not found after installing {}", need.what, need.packages.join(" "))
        }
    }
}

fn install(packages: &[&str]) -> Result<()> {
    let by_hand = format!("apt-get install {}", packages.join(" "));
    if shell::find("apt-get").is_none() {
        bail!("this is not Debian: install by hand what Debian calls {}", packages.join(", "));
    }
    let Some(prefix) = administrator() else {
        bail!("installing needs the rights of root; run as root: {by_hand}");
    };
    say::talk(&format!("deps: {by_hand}"));
    // On a new machine the package lists are empty, and on an old one they name packages that are
    // gone.
    apt(prefix, &["update", "-qq"])?;
    let mut args = vec!["install", "-y", "-qq", "--no-install-recommends"];
    args.extend(packages);
    apt(prefix, &args)
}

/// What to put before a command that needs the rights of root: nothing when we have them.
fn administrator() -> Option<&'static [&'static str]> {
    let id = shell::output(shell::quiet("id").arg("-u")).unwrap_or_default();
    if id.trim() == "0" {
        return Some(&[]);
    }
    shell::works("sudo", &["-n", "true"]).then_some(&["sudo", "-n"])
}

fn apt(prefix: &[&str], args: &[&str]) -> Result<()> {
    let words: Vec<&str> = prefix
        .iter()
        .chain(&["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "Acquire::Retries=3"])
        .chain(args)
        .copied()
        .collect();
    let (program, rest) = words.split_first().context("a command has a first word")?;
    // Its talk goes to our talk: standard output is kept for data.
    let mut command = shell::quiet(program);
    command.args(rest).stdout(std::io::stderr());
    if !shell::show(&mut command)? {
        bail!("apt-get {} failed; see its words above", args.first().unwrap_or(&""));
    }
    Ok(())
}

/// The server's programs, which Debian keeps off `PATH`.
fn has_postgres() -> bool {
    std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().any(|version| {
        ["postgres", "initdb", "psql"]
            .iter()
            .all(|it| version.path().join("bin").join(it).is_file())
    })
}

/// The list of what was installed, written last, so that a broken installation is not taken for a
/// whole one.
fn receipt() -> std::path::PathBuf {
    repo::target().join("venv/installed.txt")
}

fn has_python_packages() -> bool {
    std::fs::read_to_string(receipt())
        .is_ok_and(|text| text.lines().eq(PYTHON_PACKAGES.iter().copied()))
}

fn python_packages() -> Result<()> {
    if has_python_packages() {
        return Ok(());
    }
    let venv = repo::target().join("venv");
    say::talk(&format!("deps: {} into {}", PYTHON_PACKAGES.join(" "), venv.display()));
    must(shell::quiet("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    let mut pip = shell::quiet(venv.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(PYTHON_PACKAGES);
    must(&mut pip)?;
    std::fs::write(receipt(), PYTHON_PACKAGES.join("\n") + "\n")
        .context("cannot note what was installed")
}

fn must(command: &mut Command) -> Result<()> {
    if !shell::show(command.stdout(std::io::stderr()))? {
        bail!("{command:?} failed; see its words above");
    }
    Ok(())
}
