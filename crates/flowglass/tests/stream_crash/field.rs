//! The field on which a stream is disturbed: Postgres, sinks, a writer, a folder with the manifest,
//! and an independent reader of what was committed.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use flowglass_testkit::{Database, RedisSettings};
use flowglass_testkit::{Dice, Fate, Kafka, Postgres, Proxy, Redis, Scratch, Settings, Victim};

use super::change::{Histories, by_key, of_decoded, of_message, same};
use super::writer::TABLES;
use crate::support::{flowglass, sqlite, wait};

/// Where changes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    Redis,
    Kafka,
    Files,
    /// Tables of another database of the source's server.
    Postgres,
    Sqlite,
}

/// What a copy of a table holds, so that two can be compared.
const CONTENT: &str = "SELECT id, n, length(body), body FROM {table} ORDER BY id";

/// Everything that a round needs.
pub(super) struct Field {
    pub(super) postgres: Postgres,
    pub(super) redis: Option<Redis>,
    pub(super) source_way: Proxy,
    pub(super) redis_way: Option<Proxy>,
    pub(super) scratch: Scratch,
    pub(super) database: Database,
    copy: Database,
    sinks: Vec<To>,
    /// Begins the names of this field's topics in the Kafka that all fields share.
    name: String,
}

impl Field {
    /// Starts the services, makes the tables and both slots.
    pub(super) fn new(name: &str, sinks: &[To]) -> Self {
        let postgres = Postgres::start(Settings::default().logical_replication());
        let database = wait(postgres.database());
        wait(database.execute(TABLES));
        let copy = wait(postgres.database());
        let has = |sink| sinks.contains(&sink);
        let redis = has(To::Redis).then(|| Redis::start(RedisSettings::default().durable()));
        let source_way = Proxy::before(postgres.port());
        let redis_way = redis.as_ref().map(|it| Proxy::before(it.port()));
        let field = Self {
            scratch: Scratch::new(),
            sinks: sinks.to_vec(),
            name: name.to_owned(),
            postgres,
            redis,
            source_way,
            redis_way,
            database,
            copy,
        };
        field.scratch.write("stream.yaml", field.manifest());
        // The stream's own slot first, then the one that tells what was committed: nobody writes yet.
        drop(field.caught_up());
        wait(
            field
                .database
                .execute("SELECT pg_create_logical_replication_slot('committed', 'test_decoding')"),
        );
        field
    }

    fn manifest(&self) -> String {
        let mut text = format!(
            "apiVersion: flowglass/v1\nkind: Stream\nmetadata: {{ name: {} }}\nspec:\n  \
             source:\n    type: postgres\n    config:\n      id: shop\n      dsn: \"{}\"\n      \
             tables: [public.plain, public.whole, public.emptied]\n  \
             batch: {{ max_events: 200, max_ms: 5 }}\n  sinks:\n",
            self.name,
            self.database.dsn().replace(
                &format!(":{}/", self.postgres.port()),
                &format!(":{}/", self.source_way.port())
            ),
        );
        for sink in &self.sinks {
            text.push_str(&match sink {
                To::Redis => format!(
                    "    - {{ type: redis, config: {{ id: redis, uri: \"redis://127.0.0.1:{}\", \
                     stream: \"{{table}}\" }} }}\n",
                    self.redis_way.as_ref().unwrap().port()
                ),
                To::Kafka => format!(
                    "    - {{ type: kafka, config: {{ id: kafka, brokers: \"{}\", \
                     topic: \"{}.{{table}}\", exactly_once: true }} }}\n",
                    Kafka::shared().brokers(),
                    self.name
                ),
                To::Files => "    - { type: files, config: { id: files, folder: out, \
                              path: \"{table}\" } }\n"
                    .to_owned(),
                To::Postgres => format!(
                    "    - {{ type: postgres, config: {{ id: postgres, dsn: \"{}\" }} }}\n",
                    self.copy.dsn()
                ),
                To::Sqlite => {
                    "    - { type: sqlite, config: { id: sqlite, path: out/copy.db } }\n".to_owned()
                }
            });
        }
        text
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = flowglass(&self.scratch, args).command();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Starts the stream and kills it after a while.
    pub(super) fn kill_after(&self, delay: Duration) -> Fate {
        Victim::spawn(&mut self.command(&["run", "stream.yaml"])).unwrap().kill_after(delay)
    }

    /// Starts the stream; what it says goes to a file.
    pub(super) fn start(&self) -> Running {
        let log = self.scratch.write("stream.log", "");
        let file = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
        let mut command = self.command(&["run", "stream.yaml"]);
        command.stdout(file.try_clone().unwrap()).stderr(file);
        Running { child: command.spawn().unwrap(), log }
    }

    /// Runs the stream until it has delivered everything that is there.
    #[track_caller]
    pub(super) fn caught_up(&self) -> flowglass_testkit::Said {
        flowglass(&self.scratch, &["run", "stream.yaml", "--until", "caught-up"]).run().ok()
    }

    /// Holds every sink to what was committed; how many changes that were.
    #[track_caller]
    pub(super) fn check(&self) -> usize {
        let committed = self.committed();
        let changes = committed.values().map(Vec::len).sum();
        assert!(changes > 0, "nothing was written");
        for sink in &self.sinks {
            if matches!(sink, To::Postgres | To::Sqlite) {
                committed.keys().for_each(|table| self.check_copy(*sink, table));
                continue;
            }
            let found = self.found_at(*sink, &committed);
            match sink {
                // A topic has partitions: what is in order there is what happened to one key.
                To::Kafka => same("Kafka", &by_key(&found), &by_key(&committed)),
                _ => same(&format!("{sink:?}"), &found, &committed),
            }
        }
        changes
    }

    /// Holds a copy of a table to the table itself: a lost, doubled or old row would show in it.
    #[track_caller]
    fn check_copy(&self, sink: To, table: &str) {
        let sql = CONTENT.replace("{table}", table);
        let expected = wait(self.database.lines(&sql));
        let found = match sink {
            To::Sqlite => sqlite(&self.scratch.path("out/copy.db"), &sql),
            _ => wait(self.copy.lines(&sql)),
        };
        let first = found.iter().zip(&expected).position(|(found, expected)| found != expected);
        let rows = (found.len(), expected.len());
        assert!(found == expected, "{sink:?}: {table} has {rows:?} rows, row {first:?} is another");
    }

    fn committed(&self) -> Histories {
        let sql = "SELECT data FROM pg_logical_slot_peek_changes('committed', NULL, NULL)";
        let mut histories = Histories::new();
        for line in wait(self.database.lines(sql)) {
            if let Some((tables, change)) = of_decoded(&line) {
                // One TRUNCATE may empty several tables.
                for table in tables.split(", ") {
                    histories.entry(table.to_owned()).or_default().push(change.clone());
                }
            }
        }
        histories
    }

    fn found_at(&self, sink: To, committed: &Histories) -> Histories {
        let mut histories = Histories::new();
        for table in committed.keys() {
            for body in self.bodies(sink, table) {
                let (of, change) = of_message(&body);
                assert_eq!(&of, table, "{sink:?} holds a row of another table");
                histories.entry(of).or_default().push(change);
            }
        }
        histories
    }

    /// The messages of a table, in the order of whoever reads them.
    fn bodies(&self, sink: To, table: &str) -> Vec<Vec<u8>> {
        let delivered = match sink {
            To::Redis => self.redis.as_ref().unwrap().entries(table),
            To::Kafka => Kafka::shared().records(&format!("{}.{table}", self.name)),
            To::Postgres | To::Sqlite => unreachable!("a copy holds no messages"),
            To::Files => {
                let below = format!("out/{table}/");
                // Their numbers have a fixed width.
                let mut files = self.scratch.files();
                files.retain(|it| it.starts_with(&below));
                files.sort();
                let text: String = files.iter().map(|it| self.scratch.read(it)).collect();
                return text.lines().map(|it| it.as_bytes().to_vec()).collect();
            }
        };
        delivered.into_iter().filter_map(|it| it.body).collect()
    }

    /// A while at random.
    pub(super) fn a_while(dice: &mut Dice, most: Duration) {
        std::thread::sleep(dice.duration(Duration::ZERO..most));
    }
}

/// A stream that runs until it is asked to stop.
pub(super) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Whether it still runs.
    pub(super) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end, which must have this exit code.
    #[track_caller]
    pub(super) fn ended(mut self, code: i32) {
        let ended = self.child.wait().unwrap().code();
        let said = std::fs::read_to_string(&self.log).unwrap();
        assert_eq!(ended, Some(code), "{said}");
    }

    /// Asks it to stop, as an orchestrator does: it has to end well.
    #[track_caller]
    pub(super) fn stop(self) {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(asked.success());
        self.ended(0);
    }
}
