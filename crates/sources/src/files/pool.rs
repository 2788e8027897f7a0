//! A small pool of threads that answers in the order of the questions.
//!
//! Parsing is the heavy part of reading text, and chunks do not depend on each other. What is
//! under way is bounded, so that a slow target holds the reader back instead of filling memory.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;

/// Chunks under way beyond one for each worker.
const SPARE_JOBS_MAX: usize = 2;

/// Workers of one read, whatever the machine.
const WORKERS_MAX: usize = 4;

/// How many workers a read starts on this machine.
pub(crate) fn workers_max() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).min(WORKERS_MAX)
}

type Job<J, R> = (J, SyncSender<R>);

/// Jobs in, answers out in the same order.
#[derive(Debug)]
pub(crate) struct OrderedPool<J, R> {
    jobs: SyncSender<Job<J, R>>,
    under_way: VecDeque<Receiver<R>>,
    jobs_max: usize,
}

impl<J: Send + 'static, R: Send + 'static> OrderedPool<J, R> {
    /// Starts the workers; they end when the pool is dropped.
    pub(crate) fn start(
        name: &str,
        work: impl Fn(J) -> R + Send + Sync + 'static,
    ) -> Result<Self, Fault> {
        let workers = workers_max();
        let jobs_max = workers + SPARE_JOBS_MAX;
        let (jobs, inbox) = sync_channel::<Job<J, R>>(jobs_max);
        let inbox = Arc::new(Mutex::new(inbox));
        let work = Arc::new(work);
        for at in 0..workers {
            let (inbox, work) = (Arc::clone(&inbox), Arc::clone(&work));
            let name = format!("{name}-{at}");
            std::thread::Builder::new()
                .name(name.clone())
                .spawn(move || serve(&inbox, &*work))
                .map_err(|error| Fault::io(format!("starting the thread `{name}`"), error))?;
        }
        Ok(Self { jobs, under_way: VecDeque::new(), jobs_max })
    }

    /// Whether another job may be handed in.
    pub(crate) fn has_room(&self) -> bool {
        self.under_way.len() < self.jobs_max
    }

    /// Hands in a job. Never waits while [`Self::has_room`].
    pub(crate) fn submit(&mut self, job: J) -> Result<(), Fault> {
        let (reply, answer) = sync_channel(1);
        self.jobs.send((job, reply)).map_err(|_gone| worker_gone())?;
        self.under_way.push_back(answer);
        Ok(())
    }

    /// The answer to the oldest job; `None` when nothing is under way.
    pub(crate) fn take(&mut self) -> Option<Result<R, Fault>> {
        let answer = self.under_way.pop_front()?;
        Some(answer.recv().map_err(|_gone| worker_gone()))
    }
}

fn serve<J, R>(inbox: &Mutex<Receiver<Job<J, R>>>, work: &impl Fn(J) -> R) {
    loop {
        let job = inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((job, reply)) = job else { return };
        // The reader may have gone away; then the next `recv` says so.
        reply.send(work(job)).unwrap_or_default();
    }
}

fn worker_gone() -> Fault {
    Fault::new(ErrorClass::Internal, "a parsing thread ended without an answer")
}
