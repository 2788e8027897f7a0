//! Readers of events and of the registry: pages, files, evidence.
//!
//! * [`report`] reads run reports and their neighbours, whatever state they are in.
//! * [`evidence`] turns them into checksummed metric files and proves those untouched.
//! * [`slo`] holds metrics against objectives.
//! * [`exposition`] renders the live registry as the page that Prometheus scrapes.
//! * [`problem`] is the closed list of everything that the three can complain about.

pub mod evidence;
pub mod exposition;
pub mod problem;
pub mod report;
pub mod slo;
