//! A certificate authority for one test server, and the server's own certificate by it.
//!
//! Two certificates and not one that signs itself: strict clients, ours among them, refuse an
//! authority's certificate as that of a server. They are made by the `openssl` program, which
//! Debian's Postgres brings along, so that no library for it has to be compiled.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::locate::program;

/// Where the files are.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// What a client trusts.
    pub authority: PathBuf,
    /// What the server shows: for `localhost` and 127.0.0.1.
    pub server: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Certificates {
    /// The names of the files in a folder, there or not.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        let path = |name| folder.join(name);
        Self { authority: path("ca.pem"), server: path("server.pem"), key: path("server.key") }
    }

    /// Makes them, valid from now for two days.
    ///
    /// # Panics
    /// When `openssl` cannot.
    pub fn make(&self) {
        let authority_key = self.key.with_file_name("ca.key");
        let request = self.key.with_file_name("server.csr");
        let new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let mut authority = openssl(["req", "-x509", "-days", "2", "-subj", "/CN=test authority"]);
        authority.args(new_key).arg("-keyout").arg(&authority_key).arg("-out").arg(&self.authority);
        run(authority);
        let mut asked = openssl(["req", "-subj", "/CN=localhost"]);
        asked.args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
        asked.args(new_key).arg("-keyout").arg(&self.key).arg("-out").arg(&request);
        run(asked);
        let mut signed = openssl(["x509", "-req", "-days", "2", "-copy_extensions", "copy"]);
        signed.arg("-in").arg(&request).arg("-out").arg(&self.server);
        signed.arg("-CA").arg(&self.authority).arg("-CAkey").arg(&authority_key);
        signed.arg("-CAcreateserial");
        run(signed);
    }
}

fn openssl<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(program("openssl"));
    command.args(args);
    command
}

fn run(mut command: Command) {
    let out = command.output().expect("cannot start openssl");
    assert!(out.status.success(), "openssl failed: {}", String::from_utf8_lossy(&out.stderr));
}
