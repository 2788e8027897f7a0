//! `GET /api/v1/slo`: what was promised about each pipeline, and what is.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use flowglass_model::{PipelineId, State as RunState};
use flowglass_store::{RunFilter, RunSummary};
use serde::Serialize;

use super::{Answer, Items, json};
use crate::fleet::{Member, MemberPlan};
use crate::service::Service;

/// Runs that an objective looks at.
const RUNS_MAX: usize = 200;
/// What the window is called.
const WINDOW: &str = "last 200 runs";

/// The objectives of a pipeline.
#[derive(Debug, Serialize)]
pub(crate) struct Promised {
    pub(crate) pipeline: String,
    pub(crate) objectives: Vec<Objective>,
}

/// One objective.
#[derive(Debug, Serialize)]
pub(crate) struct Objective {
    pub(crate) name: &'static str,
    pub(crate) target: f64,
    unit: &'static str,
    pub(crate) actual: Option<f64>,
    /// Absent while there is nothing to measure.
    pub(crate) ok: Option<bool>,
    /// The share of failures that is still allowed, for ratios.
    budget_left: Option<f64>,
    window: &'static str,
}

fn seconds(name: &'static str, target: Duration, actual: Option<f64>) -> Objective {
    let target = target.as_secs_f64();
    let ok = actual.map(|it| it <= target);
    Objective { name, target, unit: "seconds", actual, ok, budget_left: None, window: WINDOW }
}

/// The value that 95 of 100 do not exceed, by the nearest rank.
fn p95(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let rank = values.len().saturating_mul(95).div_ceil(100);
    values.get(rank.checked_sub(1)?).copied()
}

fn of(service: &Service, member: &Member, runs: &[RunSummary]) -> Vec<Objective> {
    let mut objectives = Vec::new();
    let now = service.clock.now();
    let good = |it: &&RunSummary| it.state == Some(RunState::Complete);
    match &member.plan {
        MemberPlan::Stream(plan) => {
            let lag = member.status.as_ref().filter(|_| member.run_id.is_some());
            let lag = lag.map(|it| it.borrow().lag.as_secs_f64());
            let promised = plan.slo().lag.map(|it| seconds("lag", it, lag));
            objectives.extend(promised.map(|it| Objective { window: "now", ..it }));
        }
        MemberPlan::Workflow(plan) => {
            let slo = plan.slo();
            let last = runs.iter().find(good).and_then(|it| it.ended_at);
            let age = last.map(|it| now.duration_since(it).as_secs_f64().max(0.0));
            objectives.extend(slo.freshness.map(|it| seconds("freshness", it, age)));
            let took = runs.iter().filter(good).filter_map(|it| it.duration_seconds).collect();
            objectives.extend(slo.duration_p95.map(|it| seconds("duration_p95", it, p95(took))));
            objectives.extend(slo.success_ratio.map(|it| ratio(it, runs)));
        }
    }
    objectives
}

fn ratio(target: f64, runs: &[RunSummary]) -> Objective {
    let ended: Vec<&RunSummary> = runs.iter().filter(|it| it.is_final()).collect();
    let failed = ended.iter().filter(|it| it.state == Some(RunState::Failed)).count();
    #[expect(clippy::cast_precision_loss, reason = "at most a few hundred runs")]
    let share = (!ended.is_empty()).then(|| failed as f64 / ended.len() as f64);
    let allowed = 1.0 - target;
    let left = share.map(|it| if allowed > 0.0 { 1.0 - it / allowed } else { -it });
    let actual = share.map(|it| 1.0 - it);
    Objective {
        name: "success_ratio",
        target,
        unit: "ratio",
        actual,
        ok: actual.map(|it| it >= target),
        budget_left: left,
        window: WINDOW,
    }
}

/// Every pipeline of which something is promised.
pub(crate) async fn promised(
    service: &Arc<Service>,
) -> Result<Vec<Promised>, crate::problem::Problem> {
    let members: Vec<Member> = service
        .fleet
        .members()
        .into_iter()
        .filter(|it| match &it.plan {
            MemberPlan::Workflow(plan) => !plan.slo().is_empty(),
            MemberPlan::Stream(plan) => !plan.slo().is_empty(),
        })
        .collect();
    let shared = Arc::clone(service);
    let found = service.store.read(move |reader| {
        let mut all = Vec::with_capacity(members.len());
        for member in &members {
            let name = member.plan.name().to_owned();
            let filter =
                RunFilter { pipeline: PipelineId::new(&*name).ok(), ..RunFilter::default() };
            let runs = reader.list(&filter, None, RUNS_MAX)?.runs;
            all.push(Promised { pipeline: name, objectives: of(&shared, member, &runs) });
        }
        Ok(all)
    });
    Ok(found.await?)
}

pub(crate) async fn list(State(service): State<Arc<Service>>) -> Answer {
    json(&Items::whole(promised(&service).await?))
}

#[cfg(test)]
mod tests {
    use super::p95;

    #[test]
    fn the_95th_is_the_nearest_rank() {
        assert_eq!(p95(Vec::new()), None);
        assert_eq!(p95(vec![3.0]), Some(3.0));
        assert_eq!(p95((1..=100).map(f64::from).collect()), Some(95.0));
        assert_eq!(p95((1..=20).rev().map(f64::from).collect()), Some(19.0));
    }
}
