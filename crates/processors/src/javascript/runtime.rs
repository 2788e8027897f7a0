//! A QuickJS runtime with a script in it, and one call of the script's function.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use flowglass_connect::{Clock, Fault};
use flowglass_model::ErrorClass;
use rquickjs::context::EvalOptions;
use rquickjs::{CaughtError, Context, Ctx, Error, Function, Object, Persistent, Value};

use super::Script;
use super::limits::{Stopped, Watch};

/// The name of the function that a script defines.
const FUNCTION: &str = "process";

/// What QuickJS says when there is no memory left.
const OUT_OF_MEMORY: &str = "out of memory";

/// A runtime that has read a script.
pub(super) struct Runtime {
    // In this order: what is kept must go before the runtime that it is of.
    function: Persistent<Function<'static>>,
    context: Context,
    _runtime: rquickjs::Runtime,
    pub(super) watch: Rc<Watch>,
    /// Whether the function asks for its second argument.
    pub(super) wants_meta: bool,
    name: String,
}

/// Why a call gave nothing.
#[derive(Debug)]
pub(super) enum Failed {
    /// The script threw; what and where, without the message, which may hold values.
    Threw(String),
    /// It was stopped.
    Stopped(Stopped),
    /// It used up its memory.
    Memory,
    /// What it was given or what it returned cannot be used, in words.
    Unusable(String),
}

impl Runtime {
    /// Makes a runtime and reads the script.
    ///
    /// # Errors
    /// `config` with the line that cannot be read, when the script fails, or has no function.
    pub(super) fn new(
        script: &Script,
        clock: &Arc<dyn Clock>,
        left: &Arc<AtomicBool>,
    ) -> Result<Self, Fault> {
        let (id, name) = (&script.id, &script.name);
        let bare = |cause: Error| {
            let said = format!("processor `{id}`: making a runtime for the script");
            Fault::new(ErrorClass::Internal, said).because(cause.to_string())
        };
        let runtime = rquickjs::Runtime::new().map_err(bare)?;
        runtime.set_memory_limit(script.limits.memory.0);
        let watch = Rc::new(Watch::new(script.limits, Arc::clone(clock), Arc::clone(left)));
        let asked = Rc::clone(&watch);
        runtime.set_interrupt_handler(Some(Box::new(move || asked.is_over())));
        let context = Context::full(&runtime).map_err(bare)?;
        let read = context.with(|ctx| {
            let function = define(&ctx, script)?;
            let wants_meta = function.get::<_, i32>("length").unwrap_or(2) >= 2;
            Ok((Persistent::save(&ctx, function), wants_meta))
        });
        let (function, wants_meta) = read.map_err(|failed: Failed| {
            let what = match watch.stopped().map_or(failed, Failed::Stopped) {
                Failed::Threw(what) | Failed::Unusable(what) => what,
                Failed::Stopped(_) => {
                    "it did not end within its limits while it was read".to_owned()
                }
                Failed::Memory => "it used up its memory while it was read".to_owned(),
            };
            Fault::new(ErrorClass::Config, format!("processor `{id}`: script {name}: {what}"))
        })?;
        let name = name.clone();
        Ok(Self { function, context, _runtime: runtime, watch, wants_meta, name })
    }

    /// Works inside the runtime; what goes wrong in it is told as [`Failed`].
    pub(super) fn with<T>(
        &self,
        work: impl for<'js> FnOnce(&Ctx<'js>, &Function<'js>) -> Result<T, Trouble>,
    ) -> Result<T, Failed> {
        self.context.with(|ctx| {
            let function = self.function.clone().restore(&ctx).map_err(Trouble::from);
            let done = function.and_then(|function| work(&ctx, &function));
            done.map_err(|trouble| match trouble {
                Trouble::Script(error) => self.failed(&ctx, error),
                Trouble::Unusable(what) => Failed::Unusable(what),
            })
        })
    }

    fn failed(&self, ctx: &Ctx<'_>, error: Error) -> Failed {
        match self.watch.stopped() {
            Some(stopped) => {
                // What is pending must not turn up in the next call.
                drop(ctx.catch());
                Failed::Stopped(stopped)
            }
            None => threw(ctx, error, &self.name),
        }
    }
}

/// What can go wrong inside the runtime.
#[derive(Debug)]
pub(super) enum Trouble {
    /// QuickJS says so.
    Script(Error),
    /// We say so.
    Unusable(String),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Script(error)
    }
}

/// Reads the script and finds its function.
fn define<'js>(ctx: &Ctx<'js>, script: &Script) -> Result<Function<'js>, Failed> {
    let mut options = EvalOptions::default();
    options.filename = Some(script.name.clone());
    let failed = |error: Error| match error {
        // Nothing of a row is in reach yet: here the message can be told.
        Error::Exception => told(ctx, &script.name),
        error => threw(ctx, error, &script.name),
    };
    ctx.eval_with_options::<Value<'_>, _>(script.text.as_str(), options).map_err(failed)?;
    // Asked by name, since what `const` and `let` define is no property of the global object.
    let found =
        ctx.eval::<Value<'_>, _>(format!("typeof {FUNCTION} === 'function' ? {FUNCTION} : null"));
    found
        .map_err(failed)?
        .into_function()
        .ok_or_else(|| Failed::Unusable(format!("defines no function `{FUNCTION}(row, meta)`")))
}

fn told(ctx: &Ctx<'_>, name: &str) -> Failed {
    let caught = CaughtError::from_error(ctx, Error::Exception);
    match &caught {
        CaughtError::Exception(exception) => {
            let message = exception.message().unwrap_or_default();
            if message == OUT_OF_MEMORY {
                return Failed::Memory;
            }
            let what = kind_of(exception.as_object());
            let place = place_of(exception.stack().as_deref(), name);
            Failed::Threw(format!("{what}{place}: {message}"))
        }
        CaughtError::Value(_) | CaughtError::Error(_) => Failed::Threw("threw".to_owned()),
    }
}

fn threw(ctx: &Ctx<'_>, error: Error, name: &str) -> Failed {
    match CaughtError::from_error(ctx, error) {
        CaughtError::Exception(exception) => {
            if exception.message().as_deref() == Some(OUT_OF_MEMORY) {
                return Failed::Memory;
            }
            let what = kind_of(exception.as_object());
            let place = place_of(exception.stack().as_deref(), name);
            Failed::Threw(format!("the script threw {what}{place}"))
        }
        CaughtError::Value(value) if value.is_null() => Failed::Memory,
        CaughtError::Value(_) => {
            Failed::Threw("the script threw a value that is no error".to_owned())
        }
        CaughtError::Error(Error::Allocation) => Failed::Memory,
        CaughtError::Error(Error::Utf8(_)) => {
            Failed::Unusable("the script returned a text that is not valid Unicode".to_owned())
        }
        CaughtError::Error(error) => Failed::Unusable(format!("the script's value: {error}")),
    }
}

/// `TypeError`: the name of an error's class, when it is one.
fn kind_of(error: &Object<'_>) -> String {
    let name: Option<String> = error.get("name").ok();
    let plain = |name: &String| {
        name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    name.filter(plain).unwrap_or_else(|| "Error".to_owned())
}

/// ` at enrich.js:3:15`: the innermost place in the script.
fn place_of(stack: Option<&str>, name: &str) -> String {
    let found = stack.and_then(|stack| {
        let (_, behind) = stack.split_once(&format!("{name}:"))?;
        let end = behind.find(|it: char| !it.is_ascii_digit() && it != ':')?;
        behind.get(..end)
    });
    found.map_or_else(String::new, |place| format!(" at {name}:{place}"))
}
