//! The words of the processors: what may stand beside `type` and `id`.
//!
//! Which of them a build has is not known here; whoever builds the [`Vocabulary`] takes those from
//! this list that it can run, or gives a schema of its own.
//!
//! [`Vocabulary`]: crate::Vocabulary

use std::collections::BTreeMap;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::actions::Columns;
use super::words::{DurationText, SizeText};

/// The schema of each processor's own keys, by the word in `type`: `filter`, `flatten`, `javascript`,
/// `mask`, `outbox`, `project` and `rename`. A build names those of them that it can run to
/// [`Vocabulary::with_processors`](crate::Vocabulary::with_processors).
#[must_use]
pub fn processor_schemas() -> BTreeMap<String, Value> {
    [
        ("filter", schema::<FilterDraft>()),
        ("flatten", schema::<FlattenDraft>()),
        ("javascript", schema::<JavascriptDraft>()),
        ("mask", schema::<MaskDraft>()),
        ("outbox", schema::<OutboxDraft>()),
        ("project", schema::<ProjectDraft>()),
        ("rename", schema::<RenameDraft>()),
    ]
    .map(|(kind, schema)| (kind.to_owned(), schema))
    .into()
}

fn schema<T: JsonSchema>() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    if let Some(schema) = schema.as_object_mut() {
        // The name of a type of ours says nothing to a reader.
        schema.remove("title");
    }
    schema
}

/// Keeps the rows for which a condition holds.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct FilterDraft {
    /// A condition over columns in SQL, such as `status = 'paid'`.
    #[serde(rename = "where")]
    #[schemars(length(min = 1))]
    condition: String,
    /// Only rows of these tables; of all by default. `%` and `*` stand for any characters.
    #[schemars(length(min = 1))]
    tables: Option<Vec<String>>,
}

/// Keeps these columns and leaves out the others.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct ProjectDraft {
    /// The columns to keep.
    columns: Columns,
    /// Only rows of these tables; of all by default. `%` and `*` stand for any characters.
    #[schemars(length(min = 1))]
    tables: Option<Vec<String>>,
}

/// Gives columns other names.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct RenameDraft {
    /// The new name of each column, by its old one.
    columns: BTreeMap<String, String>,
    /// Only rows of these tables; of all by default. `%` and `*` stand for any characters.
    #[schemars(length(min = 1))]
    tables: Option<Vec<String>>,
}

/// Makes values unreadable.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct MaskDraft {
    /// The columns.
    columns: Columns,
    /// What stands for a value.
    #[schemars(extend("default" = "redact"))]
    how: Option<MaskHow>,
    /// The key of `hash`, 16 bytes or more, from a secret. Without one, who can list the values that
    /// there may be can find out which one a sum stands for.
    #[schemars(length(min = 16))]
    key: Option<String>,
    /// Only rows of these tables; of all by default. `%` and `*` stand for any characters.
    #[schemars(length(min = 1))]
    tables: Option<Vec<String>>,
}

/// What stands for a value that is masked.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum MaskHow {
    /// The SHA-256 of the value, with `key` its HMAC: the same text for the same value.
    Hash,
    /// The same text for every value.
    Redact,
}

/// Makes columns of the fields of a JSON column.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct FlattenDraft {
    /// The columns to take apart; by default every one that holds an object.
    columns: Option<Columns>,
    /// What stands between the names of a column and of its field.
    #[schemars(length(min = 1, max = 8), extend("default" = "_"))]
    separator: Option<String>,
    /// How many levels of objects are taken apart.
    #[schemars(range(min = 1, max = 32), extend("default" = 8))]
    max_depth: Option<u32>,
    /// Only rows of these tables; of all by default. `%` and `*` stand for any characters.
    #[schemars(length(min = 1))]
    tables: Option<Vec<String>>,
}

/// Makes messages of the rows of an outbox table, in Debezium's layout.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct OutboxDraft {
    /// The outbox table, as `schema.table`.
    #[schemars(length(min = 1))]
    table: String,
    /// Its columns, where they have other names.
    columns: Option<OutboxColumns>,
    /// Where a message goes; `{route}` is the value of the column `route`.
    #[schemars(extend("default" = "outbox.event.{route}"))]
    route: Option<String>,
}

/// The columns of an outbox table.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct OutboxColumns {
    /// Names the message.
    #[schemars(extend("default" = "id"))]
    id: Option<String>,
    /// Its key.
    #[schemars(extend("default" = "aggregateid"))]
    key: Option<String>,
    /// Where it goes.
    #[schemars(extend("default" = "aggregatetype"))]
    route: Option<String>,
    /// What it tells of.
    #[serde(rename = "type")]
    #[schemars(extend("default" = "type"))]
    kind: Option<String>,
    /// What it says.
    #[schemars(extend("default" = "payload"))]
    payload: Option<String>,
}

/// A function of your own for every row.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["script"]}, {"required": ["file"]}]))]
#[expect(dead_code, reason = "only its schema is used")]
struct JavascriptDraft {
    /// The script itself. A literal `${` is written `$${`.
    #[schemars(length(min = 1))]
    script: Option<String>,
    /// A file with the script, relative to the manifest's folder.
    #[schemars(length(min = 1))]
    file: Option<String>,
    /// What it may use up for one batch.
    limits: Option<JavascriptLimits>,
    /// Only rows of these tables; of all by default. `%` and `*` stand for any characters.
    #[schemars(length(min = 1))]
    tables: Option<Vec<String>>,
}

/// What a script may use up for one batch.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct JavascriptLimits {
    /// Time of the processor.
    #[schemars(extend("default" = "1s"))]
    cpu: Option<DurationText>,
    /// Time of the clock.
    #[schemars(extend("default" = "5s"))]
    time: Option<DurationText>,
    /// Memory.
    #[schemars(extend("default" = "64MiB"))]
    memory: Option<SizeText>,
}
