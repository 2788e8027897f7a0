//! From rows to record batches, in Arrow's stream format.
//! <https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format>
//!
//! The columns are those of the table, in its own types, behind four of ours which say what happened
//! to the row. A value that a column cannot hold exactly sets its row aside.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, ListBuilder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use flowglass_connect::Fault;
use flowglass_connect::encode::idempotency_key;
use flowglass_connect::stream::{
    ChangeRef, Datum, Delivery, Identity, Op, Refused, Relation, Tally,
};
use flowglass_model::ErrorClass;
use sha2::{Digest as _, Sha256};

use super::digest::digests;
use super::lines::{is_inside, outside};
use super::piece::{Made, Piece, Pieces};
use crate::rows::{Filling, Keys, Row, Template, Value, field_of, keys_of, read};

/// What happened: `insert`, `update`, `delete`, `read`, `truncate`.
const OP: &str = "_flowglass_op";
/// The idempotency key.
pub(super) const ID: &str = "_flowglass_id";
/// When the source committed it.
const COMMITTED_AT: &str = "_flowglass_committed_at";
/// The columns whose values did not change and were not sent: they are null here without meaning it.
const UNCHANGED: &str = "_flowglass_unchanged";

/// The tables of a stream, by the shapes that were seen.
#[derive(Debug)]
pub(super) struct Tables {
    path: Template,
    known: Vec<Table>,
    /// Which of the source's tables each path belongs to.
    claims: HashMap<String, String>,
}

/// Shapes that are remembered; past it they are made again.
const KNOWN_MAX: usize = 4096;

#[derive(Debug, Clone)]
struct Table {
    relation: Arc<Relation>,
    destination: Arc<str>,
    schema: SchemaRef,
    shape: Arc<str>,
}

impl Tables {
    pub(super) fn new(path: Template) -> Self {
        Self { path, known: Vec::new(), claims: HashMap::new() }
    }

    /// The rows of a delivery, by table and shape.
    ///
    /// # Errors
    /// What concerns a table as a whole.
    pub(super) fn rows(&mut self, delivery: &Delivery) -> Made {
        let mut made = Pieces::default();
        let mut open: Vec<(Table, Builder)> = Vec::new();
        for (index, change) in delivery.batch.changes() {
            let relation = change.relation();
            let same = |(table, _): &(Table, Builder)| Arc::ptr_eq(&table.relation, relation);
            let at = match open.iter().rposition(same) {
                Some(at) => at,
                None => {
                    let table = self.table(relation)?;
                    if !is_inside(&table.destination) {
                        made.refused.push(Refused { change: index, fault: outside() });
                        continue;
                    }
                    let builder = Builder::new(relation);
                    open.push((table, builder));
                    open.len() - 1
                }
            };
            let Some((_, builder)) = open.get_mut(at) else { continue };
            if let Err(fault) = builder.push(&change) {
                made.refused.push(Refused { change: index, fault });
            }
        }
        for (table, builder) in open {
            made.pieces.extend(builder.finish(&table)?);
        }
        Ok(made)
    }

    fn table(&mut self, relation: &Arc<Relation>) -> Result<Table, Fault> {
        if let Some(known) = self.known.iter_mut().rev().find(|it| it.relation == *relation) {
            known.relation = Arc::clone(relation);
            return Ok(known.clone());
        }
        let destination = self.path.name(relation).table;
        let whose = relation.name();
        let first = self.claims.entry(destination.clone()).or_insert_with(|| whose.clone());
        if *first != whose {
            let said = format!("{first} and {whose} would go to the same files `{destination}`");
            return Err(Fault::new(ErrorClass::Config, said)
                .hint("Let `path` hold `{schema}` and `{table}`."));
        }
        let schema = schema_of(relation)?;
        let shape = shape_of(&schema).into();
        let made = Table {
            relation: Arc::clone(relation),
            destination: destination.into(),
            schema,
            shape,
        };
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        self.known.push(made.clone());
        Ok(made)
    }
}

fn moments() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn schema_of(relation: &Relation) -> Result<SchemaRef, Fault> {
    let item = Arc::new(Field::new_list_field(DataType::Utf8, true));
    let mut fields = vec![
        Field::new(OP, DataType::Utf8, false),
        Field::new(ID, DataType::Utf8, false),
        Field::new(COMMITTED_AT, moments(), false),
        Field::new(UNCHANGED, DataType::List(item), true),
    ];
    let ours = fields.len();
    for column in &relation.columns {
        if fields.iter().take(ours).any(|field| field.name() == &column.name) {
            let said =
                format!("column `{}` of {} has a name of ours", column.name, relation.name());
            return Err(Fault::new(ErrorClass::Config, said));
        }
        fields.push(field_of(column));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// The same for the same columns, in every process.
fn shape_of(schema: &Schema) -> String {
    let mut digest = Sha256::new();
    for field in schema.fields() {
        let native = field.metadata().values().next();
        digest.update(format!("{:?} {} {native:?}\n", field.name(), field.data_type()).as_bytes());
    }
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The rows of one table, column by column.
struct Builder {
    relation: Arc<Relation>,
    op: StringBuilder,
    id: StringBuilder,
    committed_at: TimestampMicrosecondBuilder,
    unchanged: ListBuilder<StringBuilder>,
    columns: Vec<Filling>,
    rows: u64,
}

impl Builder {
    fn new(relation: &Arc<Relation>) -> Self {
        Self {
            relation: Arc::clone(relation),
            op: StringBuilder::new(),
            id: StringBuilder::new(),
            committed_at: TimestampMicrosecondBuilder::new().with_data_type(moments()),
            unchanged: ListBuilder::new(StringBuilder::new()),
            columns: relation.columns.iter().map(|column| Filling::of(&column.kind)).collect(),
            rows: 0,
        }
    }

    /// Adds a change: one row, and two where its key changed.
    ///
    /// # Errors
    /// Why a column cannot hold its value; nothing was added then.
    fn push(&mut self, change: &ChangeRef<'_>) -> Result<(), Fault> {
        let relation = Arc::clone(&self.relation);
        let columns = relation.columns.len();
        let Some(row) = Row::after(change) else {
            // Of a row that is gone the key is known, or all of it.
            let values = match change.before() {
                Some(before) => self.read(|at| before.datum(at))?,
                None => vec![Value::Null; columns],
            };
            self.add(change, (change.op(), 0), &values, &[]);
            return Ok(());
        };
        let unchanged: Vec<usize> =
            (0..columns).filter(|at| row.datum(*at) == Datum::Unchanged).collect();
        let values = self.read(|at| row.datum(at))?;
        let old = match keys_of(change) {
            Ok(Keys { old: Some(_), .. }) => change.before(),
            _ => None,
        };
        let Some(before) = old else {
            self.add(change, (change.op(), 0), &values, &unchanged);
            return Ok(());
        };
        // Who reads the rows by key must see the old one go.
        let is_key =
            |at: &usize| change.head().identity == Identity::Full || relation.key.contains(at);
        let gone = self.read(|at| if is_key(&at) { before.datum(at) } else { Datum::Null })?;
        self.add(change, (Op::Delete, 0), &gone, &[]);
        self.add(change, (change.op(), 1), &values, &unchanged);
        Ok(())
    }

    fn read<'a>(&self, datum: impl Fn(usize) -> Datum<'a>) -> Result<Vec<Value<'a>>, Fault> {
        let columns = self.relation.columns.iter().enumerate();
        let read = columns.map(|(at, column)| {
            read(&column.kind, datum(at)).map_err(|(class, what)| {
                let said = format!("column `{}` of {} {what}", column.name, self.relation.name());
                Fault::new(class, said)
            })
        });
        read.collect()
    }

    fn add(
        &mut self,
        change: &ChangeRef<'_>,
        (op, part): (Op, u8),
        values: &[Value<'_>],
        unchanged: &[usize],
    ) {
        let mut id = Vec::new();
        idempotency_key(change, part, &mut id);
        self.op.append_value(op.name());
        self.id.append_value(String::from_utf8_lossy(&id));
        self.committed_at.append_value(change.transaction().committed_at_micros);
        for at in unchanged {
            let name = self.relation.columns.get(*at).map(|column| column.name.as_str());
            self.unchanged.values().append_option(name);
        }
        self.unchanged.append(!unchanged.is_empty());
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.push(value);
        }
        self.rows += 1;
    }

    /// The bytes, and those that a new file begins with.
    fn finish(mut self, table: &Table) -> Result<Option<Piece>, Fault> {
        if self.rows == 0 {
            return Ok(None);
        }
        let mut arrays: Vec<ArrayRef> = vec![
            Arc::new(self.op.finish()),
            Arc::new(self.id.finish()),
            Arc::new(self.committed_at.finish()),
            Arc::new(self.unchanged.finish()),
        ];
        arrays.extend(self.columns.iter_mut().map(Filling::finish));
        let mut sum = Tally::default();
        let encoded = || -> Result<(Vec<u8>, Vec<u8>), ArrowError> {
            let batch = RecordBatch::try_new(SchemaRef::clone(&table.schema), arrays)?;
            digests(&batch).iter().for_each(|(_, hash)| sum.add(*hash));
            let mut writer = StreamWriter::try_new(Vec::new(), &table.schema)?;
            let head = writer.get_ref().len();
            writer.write(&batch)?;
            // Neither the end of a stream nor a second schema: what follows is appended.
            let mut head_and_bytes = std::mem::take(writer.get_mut());
            let bytes = head_and_bytes.split_off(head);
            Ok((head_and_bytes, bytes))
        };
        let (head, bytes) = encoded().map_err(|error| {
            let said = format!("writing rows of {} in columns", self.relation.name());
            Fault::new(ErrorClass::Internal, said).because(error)
        })?;
        Ok(Some(Piece {
            destination: table.destination.to_string(),
            shape: Some(table.shape.to_string()),
            head,
            bytes,
            rows: self.rows,
            sum,
        }))
    }
}
