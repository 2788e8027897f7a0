//! Plan → built: connectors are looked up, files that the plan names are read, work is made ready.
//! Nothing is started and no system is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use flowglass_connect::{
    BatchSource, BatchTarget, Fault, QueryTable, Registry, SchemaChange, Strategy, Surroundings,
};
use flowglass_manifest as manifest;
use flowglass_model::{Action, AssetRef, ErrorClass, NodeId, Reason};

use crate::check::CheckWork;
use crate::checks;
use crate::command::{CommandSpec, CommandWork, PassThrough};
use crate::copy::{ColumnMap, ColumnRule, CopySpec, CopyWork};
use crate::retry::RetryRule;
use crate::runner::{BuiltNode, BuiltPipeline};
use crate::schedule::{Task, When};
use crate::work::Work;

/// What building needs besides the plan.
#[derive(Clone)]
pub struct BuildContext<'a> {
    /// The connectors of this build.
    pub registry: &'a Registry,
    /// Folders and clock.
    pub around: Surroundings,
    /// Nodes that completed in the run that is resumed.
    pub done_before: BTreeSet<NodeId>,
    /// Where commands' output goes besides the log.
    pub through: Option<Arc<dyn PassThrough>>,
}

/// A node that could not be built.
#[derive(Debug, thiserror::Error)]
#[error("node `{node}`")]
pub struct BuildError {
    /// The node.
    pub node: NodeId,
    /// Why.
    #[source]
    pub fault: Fault,
}

/// The work of a node with the datasets that it touches.
struct Made {
    action: Action,
    inputs: Vec<AssetRef>,
    outputs: Vec<AssetRef>,
    work: Arc<dyn Work>,
}

/// Builds a pipeline.
///
/// # Errors
/// One [`BuildError`] for each node that cannot be built.
pub fn build(
    plan: &manifest::Plan,
    context: &BuildContext<'_>,
) -> Result<BuiltPipeline, Vec<BuildError>> {
    let places: BTreeMap<&NodeId, usize> =
        plan.nodes().iter().enumerate().map(|(at, node)| (&node.id, at)).collect();
    let (mut nodes, mut errors) = (Vec::new(), Vec::new());
    for node in plan.nodes() {
        let needs = node.needs.iter().filter_map(|it| places.get(it).copied()).collect();
        match make(plan, node, context) {
            Ok(made) => nodes.push(BuiltNode {
                task: task(node, needs, context),
                retry: retry(&node.retry),
                timeout: node.timeout,
                action: made.action,
                inputs: made.inputs,
                outputs: made.outputs,
                work: made.work,
            }),
            Err(fault) => errors.push(BuildError { node: node.id.clone(), fault }),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(BuiltPipeline {
        id: plan.pipeline().clone(),
        tenant: plan.tenant().to_owned(),
        labels: plan.labels().clone(),
        nodes,
        parallel_max: usize::try_from(plan.max_parallel()).unwrap_or(usize::MAX),
        timeout: plan.timeout(),
        around: context.around.clone(),
    })
}

fn task(node: &manifest::Node, needs: Vec<usize>, context: &BuildContext<'_>) -> Task {
    let unmet = node.condition.as_ref().filter(|it| !it.holds).map(|_| Reason::Condition);
    let done = context.done_before.contains(&node.id).then_some(Reason::Cached);
    let when = match node.when {
        manifest::When::OnSuccess => When::OnSuccess,
        manifest::When::OnFailure => When::OnFailure,
        manifest::When::Always => When::Always,
    };
    Task { id: node.id.clone(), needs, when, settled: done.or(unmet) }
}

fn retry(rule: &manifest::Backoff) -> RetryRule {
    RetryRule {
        attempts_max: rule.max_attempts,
        backoff: rule.first,
        backoff_max: rule.longest,
        jitter: rule.jitter,
        classes: rule.on.as_ref().map(|it| it.iter().copied().collect()),
    }
}

fn make(
    plan: &manifest::Plan,
    node: &manifest::Node,
    context: &BuildContext<'_>,
) -> Result<Made, Fault> {
    match &node.action {
        manifest::Action::Command(command) => Ok(make_command(plan, command, context)),
        manifest::Action::Copy(copy) => make_copy(copy, context),
        manifest::Action::Sql(sql) => make_sql(plan, sql, context),
        manifest::Action::Check(check) => make_check(check, context),
    }
}

fn make_command(
    plan: &manifest::Plan,
    command: &manifest::Command,
    context: &BuildContext<'_>,
) -> Made {
    let (program, args) = match &command.line {
        manifest::CommandLine::Argv(it) => (it.program.clone(), it.args.clone()),
        manifest::CommandLine::Shell(script) => {
            let dash_c = manifest::GuardedText::open("-c");
            (manifest::GuardedText::open("/bin/sh"), vec![dash_c, script.clone()])
        }
    };
    let shown = std::iter::once(&program).chain(&args).map(|it| it.shown().to_owned());
    let name = Path::new(program.shown()).file_name().map(|it| it.to_string_lossy().into_owned());
    let action = Action {
        kind: "command".to_owned(),
        name: name.unwrap_or_else(|| program.shown().to_owned()),
        argv: shown.collect(),
    };
    let env = plan.env().iter().chain(&command.env);
    let cwd = command.cwd.as_ref().map_or_else(Default::default, |it| it.expose().to_owned());
    let spec = CommandSpec {
        program: program_path(program.expose(), plan.base_dir()),
        args: args.iter().map(|it| it.expose().into()).collect(),
        env: env.map(|(key, value)| (key.clone(), value.expose().to_owned())).collect(),
        cwd: Some(plan.base_dir().join(cwd)),
        success_codes: command.success_codes.clone(),
        warning_codes: command.warning_codes.clone(),
        stop_grace: command.stop_grace,
        through: context.through.clone(),
    };
    let work = Arc::new(CommandWork::new(spec));
    Made { action, inputs: Vec::new(), outputs: Vec::new(), work }
}

/// A program with a folder in its name starts from the manifest's folder, like every other path; a
/// bare name is looked for in `PATH`.
fn program_path(program: &str, base_dir: &Path) -> OsString {
    if program.contains('/') && !Path::new(program).is_absolute() {
        let path = base_dir.join(program);
        // The working folder is changed before the program is looked for.
        return std::path::absolute(&path).unwrap_or(path).into_os_string();
    }
    program.into()
}

fn make_copy(copy: &manifest::Copy, context: &BuildContext<'_>) -> Result<Made, Fault> {
    let source = source_of(&copy.from, context)?;
    let columns = ColumnMap {
        rules: copy.columns.iter().map(column_rule).collect::<Result<_, _>>()?,
        keep_others: copy.keep_other_columns,
    };
    let inputs = vec![source.asset()];
    let action = Action {
        kind: "copy".to_owned(),
        name: strategy(copy.write.strategy).name().to_owned(),
        argv: Vec::new(),
    };
    let target = target_of(&copy.write.to, context)?;
    let outputs = vec![target.asset()];
    let spec = copy_spec(&copy.write, columns, "extract");
    Ok(Made { action, inputs, outputs, work: Arc::new(CopyWork::new(source, target, spec)) })
}

fn column_rule(
    (name, rule): (&String, &manifest::ColumnRule),
) -> Result<(String, ColumnRule), Fault> {
    let kind = match &rule.kind {
        Some(word) => Some(ColumnRule::kind_of(word).ok_or_else(|| {
            let said = format!("column `{name}`: `{word}` is no type");
            let types = manifest::COLUMN_TYPES.iter().map(|(name, _)| *name);
            let hint = format!("Use one of {}.", types.collect::<Vec<_>>().join(", "));
            Fault::new(ErrorClass::Config, said).hint(hint)
        })?),
        None => None,
    };
    Ok((name.clone(), ColumnRule { from: rule.from.clone(), kind }))
}

fn make_sql(
    plan: &manifest::Plan,
    sql: &manifest::Sql,
    context: &BuildContext<'_>,
) -> Result<Made, Fault> {
    let text = match &sql.text {
        manifest::SqlText::Query(query) => query.expose().to_owned(),
        manifest::SqlText::File(path) => {
            let path = plan.base_dir().join(path);
            std::fs::read_to_string(&path)
                .map_err(|error| Fault::io(format!("reading {}", path.display()), error))?
        }
    };
    let mut tables = Vec::new();
    for (name, table) in &sql.tables {
        let source = source_of(&table.from, context)?;
        tables.push(QueryTable { name: name.clone(), source });
    }
    let inputs = tables.iter().map(|it| it.source.asset()).collect();
    let engine = context.registry.engine(&sql.engine)?;
    let source = engine.query(&text, tables, &context.around)?;
    let target = target_of(&sql.write.to, context)?;
    let outputs = vec![target.asset()];
    let action = Action { kind: "sql".to_owned(), name: sql.engine.clone(), argv: Vec::new() };
    let spec = copy_spec(&sql.write, ColumnMap::identity(), "transform");
    Ok(Made { action, inputs, outputs, work: Arc::new(CopyWork::new(source, target, spec)) })
}

fn copy_spec(write: &manifest::Write, columns: ColumnMap, read_stage: &'static str) -> CopySpec {
    let bytes_max = write.batch.bytes_max.map(|it| usize::try_from(it).unwrap_or(usize::MAX));
    CopySpec {
        strategy: strategy(write.strategy),
        key: write.key.clone(),
        cursor: write.cursor.clone(),
        schema_change: match write.schema_change {
            manifest::SchemaChange::Evolve => SchemaChange::Evolve,
            manifest::SchemaChange::Fail => SchemaChange::Fail,
            manifest::SchemaChange::Ignore => SchemaChange::Ignore,
        },
        columns,
        batch_rows_max: write.batch.rows_max.map(|it| usize::try_from(it).unwrap_or(usize::MAX)),
        batch_bytes_max: bytes_max,
        read_stage,
    }
}

const fn strategy(word: manifest::Strategy) -> Strategy {
    match word {
        manifest::Strategy::FullRefresh => Strategy::FullRefresh,
        manifest::Strategy::Append => Strategy::Append,
        manifest::Strategy::IncrementalAppend => Strategy::IncrementalAppend,
        manifest::Strategy::IncrementalMerge => Strategy::IncrementalMerge,
    }
}

fn make_check(check: &manifest::Check, context: &BuildContext<'_>) -> Result<Made, Fault> {
    let subject = source_of(&check.subject.from, context)?;
    let mut inputs = vec![subject.asset()];
    let mut rules = Vec::new();
    for rule in &check.rules {
        let rule = check_rule(rule, context)?;
        if let checks::RuleKind::ForeignKey(key) = &rule.kind {
            inputs.push(key.references.asset());
        }
        rules.push(rule);
    }
    let action = Action { kind: "check".to_owned(), name: "rules".to_owned(), argv: Vec::new() };
    // Checks are asked in the one query language that every build has.
    let engine = context.registry.engine("datafusion")?;
    let work = Arc::new(CheckWork::new(subject, rules, engine));
    Ok(Made { action, inputs, outputs: Vec::new(), work })
}

fn check_rule(rule: &manifest::Rule, context: &BuildContext<'_>) -> Result<checks::Rule, Fault> {
    use checks::RuleKind as To;
    use manifest::RuleKind as From;
    let kind = match &rule.kind {
        From::NotNull { columns } => To::NotNull(columns.clone()),
        From::Unique { columns } => To::Unique(columns.clone()),
        From::AcceptedValues { column, values } => {
            To::AcceptedValues { column: column.clone(), values: values.clone() }
        }
        From::Range { column, min, max } => {
            To::Range { column: column.clone(), min: min.clone(), max: max.clone() }
        }
        From::RowCount { min, max } => To::RowCount { min: *min, max: *max },
        From::Freshness { column, max_age } => {
            To::Freshness { column: column.clone(), max_age: *max_age }
        }
        From::ForeignKey(key) => To::ForeignKey(checks::ForeignKey {
            columns: key.columns.clone(),
            references: source_of(&key.references.from, context)?,
            referenced_columns: key.referenced_columns.clone(),
        }),
        From::Sql { query, expect } => To::Sql {
            query: query.expose().to_owned(),
            expect: match expect {
                manifest::Expect::NoRows => checks::Expect::NoRows,
                manifest::Expect::Rows => checks::Expect::Rows,
                manifest::Expect::Equals(value) => checks::Expect::Equals(value.clone()),
                manifest::Expect::Between { min, max } => {
                    checks::Expect::Between { min: *min, max: *max }
                }
            },
        },
    };
    let severity = match rule.severity {
        manifest::RuleSeverity::Warn => checks::Severity::Warn,
        manifest::RuleSeverity::Error => checks::Severity::Error,
    };
    Ok(checks::Rule { name: rule.name.clone(), severity, kind })
}

fn source_of(
    connector: &manifest::Connector,
    context: &BuildContext<'_>,
) -> Result<Arc<dyn BatchSource>, Fault> {
    context.registry.source(&connector.kind, connector.expose().clone(), &context.around)
}

fn target_of(
    connector: &manifest::Connector,
    context: &BuildContext<'_>,
) -> Result<Arc<dyn BatchTarget>, Fault> {
    context.registry.target(&connector.kind, connector.expose().clone(), &context.around)
}
