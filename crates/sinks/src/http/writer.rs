//! An open sink: the requests of a batch, one after the other.

use std::sync::Arc;

use async_trait::async_trait;
use flowglass_connect::Fault;
use flowglass_connect::stream::{Acknowledged, Delivery, Messages, Refused};

use super::answer::{Next, next, retry_after};
use super::client::Client;
use super::config::Settings;
use super::memory::Memory;
use super::request::{Group, group};
use crate::messages::Deliver;

/// The way to a webhook, and what is known of it.
pub(super) struct Writer {
    pub(super) client: Client,
    pub(super) settings: Arc<Settings>,
    pub(super) memory: Arc<Memory>,
}

#[async_trait]
impl Deliver for Writer {
    async fn deliver(&mut self, mut delivery: Delivery) -> Result<Acknowledged, Fault> {
        let number = delivery.number;
        let mut acknowledged = Acknowledged { number, ..Acknowledged::default() };
        if let Some(messages) = delivery.messages.take() {
            let mut todo = group(&messages, &self.settings);
            todo.reverse();
            while let Some(group) = todo.pop() {
                let sent = self.send(&group, &delivery, &messages).await?;
                acknowledged.bytes += sent.bytes;
                let Some(fault) = sent.refused else { continue };
                match group.halves(&messages) {
                    Some((one, two)) => todo.extend([two, one]),
                    None => {
                        acknowledged.refused.push(Refused { change: group.row(&messages), fault });
                    }
                }
            }
        }
        acknowledged.refused.sort_by_key(|it| it.change);
        acknowledged.refused.dedup_by_key(|it| it.change);
        self.memory.forget();
        Ok(acknowledged)
    }
}

/// What became of a request.
struct Sent {
    bytes: u64,
    /// Why not all of its rows were taken.
    refused: Option<Fault>,
}

impl Writer {
    async fn send(
        &mut self,
        group: &Group,
        delivery: &Delivery,
        messages: &Messages,
    ) -> Result<Sent, Fault> {
        let request = group.request(delivery, messages, &self.settings)?;
        let bytes = request.body.len() as u64;
        if self.memory.is_answered(&request.id) {
            return Ok(Sent { bytes, refused: None });
        }
        let clock = &self.settings.clock;
        let answer = match self.client.send(&request).await {
            Ok(answer) => answer,
            Err(fault) if fault.class().policy() == flowglass_model::Policy::SetAside => {
                return Ok(Sent { bytes: 0, refused: Some(fault) });
            }
            Err(fault) => {
                self.memory.failed(clock.monotonic(), None);
                return Err(fault);
            }
        };
        match next(answer.status, self.settings.path_is_by_row()) {
            Next::Done => {
                self.memory.answered(request.id);
                Ok(Sent { bytes, refused: None })
            }
            Next::Divide(fault) => Ok(Sent { bytes: 0, refused: Some(fault) }),
            Next::Fail(fault) => {
                let asked = answer.retry_after.as_deref();
                let asked = asked.and_then(|header| retry_after(header, clock.now()));
                self.memory.failed(clock.monotonic(), asked);
                Err(fault)
            }
        }
    }
}
