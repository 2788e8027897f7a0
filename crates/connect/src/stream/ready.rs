//! A row that is a message already: what an application wrote into its outbox to be sent as it is.
//!
//! The processor that finds such rows brings them into a relation of their own, whose columns are the
//! parts of the message; [`super::ChangeRef::ready`] says which is which. An encoder then writes no
//! envelope, asks for no route and takes no key of the table's.

/// Which columns of a relation are the parts of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Where the message goes. Never null.
    pub destination: usize,
    /// Its key; null makes a message without one.
    pub key: usize,
    /// Its body, byte for byte; null makes a message without one.
    pub body: usize,
    /// What is said beside it: a name and the column of the value. Null is not said.
    pub headers: Vec<(String, usize)>,
}
