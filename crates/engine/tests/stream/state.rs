//! What a stream keeps, in memory: positions, dead letters, and requests of others.

use std::sync::Mutex;

use async_trait::async_trait;
use flowglass_connect::Fault;
use flowglass_connect::stream::{
    Answer, Asked, Begin, Begun, Checkpoint, DeadLetter, DeadLetterLimits, Desired, Hold,
    LateReceipt, LetterFigures, SetAside, StreamRequest, StreamState, Verb,
};
use jiff::Timestamp;

/// Outlives the process that runs the stream.
#[derive(Debug, Default)]
pub(crate) struct State {
    kept: Mutex<Vec<Checkpoint>>,
    letters: Mutex<Vec<DeadLetter>>,
    desired: Mutex<Desired>,
    requests: Mutex<Vec<StreamRequest>>,
    answers: Mutex<Vec<(u64, Answer)>>,
    late: Mutex<Vec<LateReceipt>>,
}

impl State {
    /// Asks something of the stream; the number of the request.
    pub(crate) fn ask(&self, verb: Verb) -> u64 {
        match &verb {
            Verb::Pause => *self.desired.lock().unwrap() = Desired::Paused,
            Verb::Resume => *self.desired.lock().unwrap() = Desired::Running,
            Verb::Stop | Verb::Resync { .. } => {}
        }
        let mut requests = self.requests.lock().unwrap();
        let number = (requests.len() + self.answers.lock().unwrap().len()) as u64 + 1;
        let asked_by = "the test".to_owned();
        let asked_at = Timestamp::UNIX_EPOCH;
        requests.push(StreamRequest { number, verb, asked_by, asked_at });
        number
    }

    /// Every answer to a request so far.
    pub(crate) fn answers(&self, request: u64) -> Vec<Answer> {
        let answers = self.answers.lock().unwrap();
        answers.iter().filter(|it| it.0 == request).map(|it| it.1.clone()).collect()
    }

    /// The letters, each once.
    pub(crate) fn letters(&self) -> Vec<DeadLetter> {
        self.letters.lock().unwrap().clone()
    }
}

#[async_trait]
impl StreamState for State {
    async fn hold(&self, _stream: &str) -> Result<Hold, Fault> {
        Ok(Hold::alone())
    }

    async fn checkpoints(&self, _stream: &str) -> Result<Vec<Checkpoint>, Fault> {
        let forget = |it: &Checkpoint| Checkpoint { account: None, ..it.clone() };
        Ok(self.kept.lock().unwrap().iter().map(forget).collect())
    }

    async fn save(&self, checkpoints: Vec<Checkpoint>) -> Result<(), Fault> {
        let mut kept = self.kept.lock().unwrap();
        for it in checkpoints {
            kept.retain(|old| old.sink != it.sink);
            kept.push(it);
        }
        Ok(())
    }

    async fn receive_late(&self, receipts: Vec<LateReceipt>) -> Result<(), Fault> {
        self.late.lock().unwrap().extend(receipts);
        Ok(())
    }

    async fn set_aside(
        &self,
        letters: Vec<DeadLetter>,
        _limits: DeadLetterLimits,
    ) -> Result<SetAside, Fault> {
        let mut kept = self.letters.lock().unwrap();
        let mut done = SetAside::default();
        for letter in letters {
            let same = |it: &&mut DeadLetter| it.sink == letter.sink && it.id == letter.id;
            match kept.iter_mut().find(same) {
                Some(known) => *known = letter,
                None => {
                    kept.push(letter);
                    done.kept += 1;
                }
            }
        }
        done.entries = kept.len() as u64;
        Ok(done)
    }

    async fn begin(&self, _begin: Begin) -> Result<Begun, Fault> {
        Ok(Begun { desired: *self.desired.lock().unwrap(), letters: self.figures() })
    }

    async fn asked(&self, _stream: &str) -> Result<Asked, Fault> {
        let requests = self.requests.lock().unwrap().clone();
        Ok(Asked { requests, letters: self.figures() })
    }

    async fn answer(&self, request: u64, answer: Answer, _at: Timestamp) -> Result<(), Fault> {
        self.requests.lock().unwrap().retain(|it| it.number != request);
        self.answers.lock().unwrap().push((request, answer));
        Ok(())
    }
}

impl State {
    fn figures(&self) -> LetterFigures {
        let open = self.letters.lock().unwrap().len() as u64;
        LetterFigures { open, ..LetterFigures::default() }
    }
}
