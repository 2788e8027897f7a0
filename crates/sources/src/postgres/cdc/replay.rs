//! The task's part in transactions that are sent before they are committed: it moves to files what
//! is too much for memory, and tells a transaction once it is committed.

use bytes::BytesMut;
use flowglass_connect::Fault;
use flowglass_connect::stream::Transaction;
use flowglass_model::ErrorClass;

use super::assemble::Pause;
use super::broken::Broken;
use super::catalog::{look_up, teach};
use super::follow::Follower;
use super::link::Link;
use super::pending::{Replay, write};

impl Follower {
    /// Moves the largest transaction in progress to its file. When the files are full too, the server
    /// has to keep its transactions itself.
    pub(super) async fn spill(&mut self, link: &mut Link) -> Result<(), Fault> {
        let Some(outgoing) = self.assembly.hold.spill() else {
            self.in_progress = false;
            return Err(Fault::new(
                ErrorClass::Throttled,
                "transactions in progress take more than `spill.disk`; the server is asked to keep \
                 them until they are committed",
            ));
        };
        let folder = self.around.plan.scratch.clone();
        let written = link.meanwhile(write(outgoing, folder)).await??;
        self.assembly.hold.spilled(written);
        Ok(())
    }

    /// Tells a transaction that was kept until its commit.
    pub(super) async fn replay(
        &mut self,
        link: &mut Link,
        transaction: Transaction,
    ) -> Result<(), Fault> {
        // Everything before the commit is told first, and its bytes are done with.
        self.hand_over(link).await?;
        let (id, commit) = (transaction.id, transaction.commit);
        let id = u32::try_from(id).map_err(|_| Broken("a transaction has an impossible number"))?;
        let mut replay = Replay::of(&mut self.assembly.hold, id)?;
        self.assembly.begin_replay(transaction)?;
        let mut buffer = BytesMut::new();
        loop {
            let now = self.around.clock.monotonic();
            let pause = self.assembly.replay(&buffer, &replay, now)?;
            let empty = pause == Pause::Empty;
            let done = empty && replay.is_done();
            match pause {
                Pause::Full | Pause::Empty => {}
                Pause::Shape(shape) => {
                    let known =
                        link.meanwhile(Box::pin(look_up(&self.around.side, &shape))).await??;
                    let names = (&self.around.database, &self.around.plan.patterns);
                    teach(&mut self.assembly.decoder, (&shape, &known), names);
                    continue;
                }
                Pause::Said(said) if said.transactional => {
                    self.hear(link, said).await?;
                    continue;
                }
                _ => return Err(Broken("a transaction holds what no transaction has").into()),
            }
            if done {
                self.assembly.end_replay(commit, now)?;
            }
            let chunk = self.assembly.cut(&mut buffer);
            self.give(link, chunk).await?;
            if done && !buffer.is_empty() {
                return Err(Broken("a transaction ends inside a message").into());
            }
            if done {
                return Ok(());
            }
            if empty {
                link.meanwhile(replay.more(&mut buffer)).await??;
            }
            link.keep_up(now).await?;
        }
    }
}
