//! `flowglass serve`: streams and scheduled workflows in one process that stays, with its API, metrics,
//! health and dashboard on one port.

mod config;
mod crew;
mod face;
mod journal;
mod needs;
mod reconcile;
mod retain;
mod schedule;
mod start;
mod stopped;
mod watch;

pub(crate) use start::{ServeArgs, run};
