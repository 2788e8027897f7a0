//! Check nodes: every rule is asked, every result is told of the dataset, and one broken rule of
//! severity `error` fails the node.

use std::sync::Arc;

use async_trait::async_trait;
use flowglass_connect::{BatchSource, Fault, QueryEngine};
use flowglass_model::{Counts, Entity, ErrorClass, EventKind, LogLevel, Reason, State};

use crate::checks::{CheckResult, Rule, Severity, evaluate};
use crate::recorder::RecordError;
use crate::stop::StopCause;
use crate::work::{Attempt, Facts, Failure, Finish, Work};

/// The work of a check node.
pub(crate) struct CheckWork {
    data: Arc<dyn BatchSource>,
    rules: Vec<Rule>,
    engine: Arc<dyn QueryEngine>,
}

impl CheckWork {
    pub(crate) fn new(
        data: Arc<dyn BatchSource>,
        rules: Vec<Rule>,
        engine: Arc<dyn QueryEngine>,
    ) -> Self {
        Self { data, rules, engine }
    }

    async fn ask(&self, at: &Attempt) -> Result<Vec<CheckResult>, Failure> {
        tokio::select! {
            results = evaluate(&self.rules, &self.data, self.engine.as_ref(), &at.around) => {
                Ok(results?)
            }
            cause = at.stop.asked() => Err(Failure {
                facts: Facts::default(),
                error: cause.error(),
                reason: cause.reason(),
            }),
        }
    }

    async fn tell(&self, at: &Attempt, result: &CheckResult) -> Result<(), RecordError> {
        let asset = self.data.asset().id();
        let passed = if result.passed { "pass" } else { "fail" };
        let facts = [
            ("check", result.name.clone()),
            ("result", passed.to_owned()),
            ("severity", result.severity.name().to_owned()),
            ("detail", result.detail.clone()),
            ("rows_checked", result.rows_checked.to_string()),
            ("rows_offending", result.rows_offending.to_string()),
        ];
        at.recorder
            .record(&at.scope, EventKind::Asset, Entity::Asset, |it| {
                it.asset_id = Some(asset);
                it.attributes.extend(facts.map(|(key, value)| (key.to_owned(), value)));
            })
            .await?;
        let level = match (result.passed, result.severity) {
            (true, _) => LogLevel::Info,
            (false, Severity::Warn) => LogLevel::Warn,
            (false, Severity::Error) => LogLevel::Error,
        };
        let said = format!("check `{}`: {passed}: {}", result.name, result.detail);
        at.recorder.say(&at.scope, level, said).await
    }

    async fn check(&self, at: &Attempt) -> Result<Finish, Failure> {
        let results = self.ask(at).await?;
        for result in &results {
            self.tell(at, result).await?;
        }
        let rows = results.iter().map(|it| it.rows_checked).max();
        let counts = Counts { extracted: rows, ..Counts::default() };
        let facts = Facts { counts: Some(counts), ..Facts::default() };
        let broken = |severity| {
            let missed = move |it: &&CheckResult| !it.passed && it.severity == severity;
            results.iter().filter(missed).map(|it| format!("`{}`", it.name)).collect::<Vec<_>>()
        };
        let errors = broken(Severity::Error);
        if errors.is_empty() {
            return Ok(Finish { facts, warning: !broken(Severity::Warn).is_empty() });
        }
        let said = format!(
            "{} of {} checks of {} did not hold: {}",
            errors.len(),
            results.len(),
            self.data.asset(),
            errors.join(", ")
        );
        Err(Failure { facts, ..Failure::from(Fault::new(ErrorClass::Check, said)) })
    }
}

#[async_trait]
impl Work for CheckWork {
    async fn attempt(&self, at: &Attempt) -> Result<Finish, Failure> {
        let stage = at.stage_begins("verify").await?;
        let result = self.check(at).await;
        let to = match &result {
            Ok(finish) if finish.warning => (State::Complete, Reason::Warning),
            Ok(_) => (State::Complete, Reason::Ok),
            Err(failure) => {
                (State::Failed, at.stop.cause().map_or(failure.reason, StopCause::reason))
            }
        };
        at.stage_ends(&stage, to, None).await?;
        result
    }
}
