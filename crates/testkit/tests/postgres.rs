//! A fresh database a test, a server that leaves nothing behind.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use flowglass_testkit::{Postgres, Settings, wait_for};

/// Set for the child process of [`a_killed_test_process_leaves_nothing_behind`]: where it tells its
/// server's folder.
const TELL: &str = "TESTKIT_TELL";

#[tokio::test]
async fn two_databases_of_the_shared_server_know_nothing_of_each_other() {
    let server = Postgres::shared();
    let (one, two) = (server.database().await, server.database().await);
    one.execute("CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x'), (2, NULL)").await;
    two.execute("CREATE TABLE t (a int)").await;
    assert_eq!(one.lines("SELECT * FROM t ORDER BY a").await, ["1|x", "2|\\N"]);
    assert_eq!(two.lines("SELECT * FROM t").await, [""; 0]);
}

#[tokio::test]
async fn a_role_with_a_password_must_give_it() {
    let server = Postgres::shared();
    let database = server.database().await;
    server.role("reader", "right").await;
    let connect = async |password| {
        tokio_postgres::connect(&database.dsn_of("reader", password), tokio_postgres::NoTls).await
    };
    assert!(connect("right").await.is_ok());
    let refused = connect("wrong").await.err().and_then(|error| error.code().cloned());
    assert_eq!(refused, Some(tokio_postgres::error::SqlState::INVALID_PASSWORD));
}

#[tokio::test]
async fn a_server_of_ones_own_can_be_killed_and_comes_back_with_its_rows() {
    let mut server = Postgres::start(Settings::default().logical_replication().set("fsync", "on"));
    let database = server.database().await;
    database
        .execute("CREATE TABLE t (a int); SET synchronous_commit = on; INSERT INTO t VALUES (7)")
        .await;
    server.kill();
    assert!(tokio_postgres::connect(database.dsn(), tokio_postgres::NoTls).await.is_err());
    server.restart();
    assert_eq!(database.lines("SELECT a FROM t").await, ["7"]);
    assert_eq!(database.lines("SHOW wal_level").await, ["logical"]);
}

#[tokio::test]
async fn a_server_with_tls_is_believed_by_its_certificate_and_by_no_other() {
    let server = Postgres::start(Settings::default().tls());
    let psql = |host: &str, root: &Path| {
        let address = format!(
            "host={host} hostaddr=127.0.0.1 port={} user=postgres sslmode=verify-full sslrootcert={}",
            server.port(),
            root.display()
        );
        let query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        let mut psql = Command::new(Postgres::program("psql"));
        psql.args(["-X", "-A", "-t", "-c", query, &address]).env_remove("PGSSLMODE");
        let out = psql.output().unwrap();
        String::from_utf8(if out.status.success() { out.stdout } else { out.stderr }).unwrap()
    };
    let root = server.root_certificate();
    assert_eq!(psql("localhost", &root), "t\n");
    assert!(psql("elsewhere", &root).contains("does not match host name"));
    let stranger = Postgres::start(Settings::default().tls());
    assert!(psql("localhost", &stranger.root_certificate()).contains("certificate verify failed"));
}

/// Not a test by itself: what the child process of the test below runs.
#[test]
fn child_that_starts_a_server_and_waits_to_be_killed() {
    let Some(tell) = std::env::var_os(TELL) else { return };
    let server = Postgres::start(Settings::default());
    std::fs::write(&tell, server.port().to_string()).unwrap();
    std::thread::park();
}

#[test]
fn a_killed_test_process_leaves_nothing_behind() {
    let scratch = flowglass_testkit::Scratch::new();
    let temporary = scratch.path("tmp");
    std::fs::create_dir(&temporary).unwrap();
    // The server's own account must be able to pass through.
    for folder in [scratch.folder(), &temporary] {
        open_to_all(folder);
    }
    let tell = scratch.path("port");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["postgres::child_that_starts_a_server_and_waits_to_be_killed", "--exact"])
        .env(TELL, &tell)
        .env("TMPDIR", &temporary)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let port: u16 = wait_for("the child's server", Duration::from_secs(90), || {
        std::fs::read_to_string(&tell).ok()?.parse().ok()
    });
    assert_eq!(folders(&temporary).len(), 1);

    child.kill().unwrap();
    child.wait().unwrap();
    wait_for("the folder to go", Duration::from_secs(30), || {
        folders(&temporary).is_empty().then_some(())
    });
    wait_for("the server to go", Duration::from_secs(30), || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_err().then_some(())
    });
}

fn folders(parent: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}
