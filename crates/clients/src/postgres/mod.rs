//! Postgres from both ends: addresses, TLS, sessions, faults, and the one table of types.

mod address;
mod catalog;
mod fault;
mod numeric;
mod session;
mod tls;
mod types;
mod wire;

pub use address::Address;
pub use catalog::{TableColumn, TableName, column_types, table_columns, table_of};
pub use fault::{class_of, fault, fault_of_response};
pub use numeric::{Numeric, put_decimal, put_decimal_text};
pub use session::{Session, literal, quote};
pub use types::{
    BASE_TYPE_KEY, ColumnType, Form, LABELS_KEY, NATIVE_PREFIX, POSTGRES_EPOCH_DAYS,
    POSTGRES_EPOCH_MICROS, RAW_REFUSED, is_type_name,
};
pub use wire::Wire;
