//! Between cells and the script's values, without losing a digit.

use flowglass_connect::stream::Kind;
use rquickjs::convert::Coerced;
use rquickjs::{Ctx, Object, String as JsString, Type, Value};

use super::runtime::Trouble;

/// The largest whole number that a double holds together with all smaller ones.
const SAFE_MAX: u64 = (1 << 53) - 1;

/// A cell's text as a value of the script's.
pub(super) fn to_script<'js>(
    ctx: &Ctx<'js>,
    text: &[u8],
    kind: &Kind,
) -> Result<Value<'js>, Trouble> {
    let text = std::str::from_utf8(text).map_err(|_| unusable("is not valid UTF-8"))?;
    Ok(match kind {
        Kind::Bool => Value::new_bool(ctx.clone(), text == "t"),
        Kind::Int16 | Kind::Int32 | Kind::Int64 => {
            let number: i64 = text.parse().map_err(|_| unusable("does not hold a whole number"))?;
            if number.unsigned_abs() <= SAFE_MAX {
                number_of(ctx, number)
            } else {
                Value::new_big_int(ctx.clone(), number)?
            }
        }
        Kind::UInt64 => {
            let number: u64 = text.parse().map_err(|_| unusable("does not hold a whole number"))?;
            match i64::try_from(number) {
                Ok(number) if number.unsigned_abs() <= SAFE_MAX => number_of(ctx, number),
                _ => rquickjs::BigInt::from_u64(ctx.clone(), number)?.into_value(),
            }
        }
        Kind::Float32 | Kind::Float64 => {
            let number: f64 = text.parse().map_err(|_| unusable("does not hold a number"))?;
            Value::new_number(ctx.clone(), number)
        }
        Kind::Json => ctx.json_parse(text).map_err(|_| {
            // The exception that is pending quotes the value.
            drop(ctx.catch());
            unusable("does not hold JSON")
        })?,
        Kind::Decimal(_)
        | Kind::Money
        | Kind::Text
        | Kind::Enum
        | Kind::Bytes
        | Kind::Bits(_)
        | Kind::Uuid
        | Kind::Date
        | Kind::Time(_)
        | Kind::TimeTz
        | Kind::Timestamp(_)
        | Kind::TimestampTz
        | Kind::Interval
        | Kind::Array(_)
        | Kind::Hstore
        | Kind::Other => JsString::from_str(ctx.clone(), text)?.into_value(),
    })
}

#[expect(clippy::cast_precision_loss, reason = "no more than 2^53")]
fn number_of<'js>(ctx: &Ctx<'js>, number: i64) -> Value<'js> {
    Value::new_number(ctx.clone(), number as f64)
}

fn unusable(what: &str) -> Trouble {
    Trouble::Unusable(what.to_owned())
}

/// What a value of the script's says in a cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    Null,
    Bool(bool),
    Number(f64),
    /// A `BigInt`'s digits.
    Whole(String),
    Text(String),
    /// A document.
    Json(String),
}

/// Reads a value of the script's; `None` for one that says that there is no such property.
pub(super) fn from_script<'js>(
    ctx: &Ctx<'js>,
    value: &Value<'js>,
) -> Result<Option<Said>, Trouble> {
    Ok(Some(match value.type_of() {
        Type::Undefined | Type::Uninitialized => return Ok(None),
        Type::Null => Said::Null,
        Type::Bool => Said::Bool(value.as_bool().unwrap_or_default()),
        Type::Int | Type::Float => Said::Number(value.as_number().unwrap_or(f64::NAN)),
        Type::BigInt => Said::Whole(value.get::<Coerced<String>>()?.0),
        Type::String => Said::Text(value.get()?),
        Type::Symbol | Type::Function | Type::Constructor | Type::Promise | Type::Module => {
            return Err(unusable("was given a function, a promise or a symbol"));
        }
        _ => {
            let json = ctx.json_stringify(value.clone())?;
            let json =
                json.ok_or_else(|| unusable("was given what JSON cannot say"))?.to_string()?;
            // What has a text of its own, such as a date, is a text.
            if json.starts_with('"') {
                let text = serde_json::from_str(&json);
                Said::Text(text.map_err(|_| unusable("was given a text that JSON cannot say"))?)
            } else {
                Said::Json(json)
            }
        }
    }))
}

/// Whether the script left a value as it was given to it.
pub(super) fn is_same<'js>(
    ctx: &Ctx<'js>,
    text: &[u8],
    kind: &Kind,
    said: &Said,
) -> Result<bool, Trouble> {
    Ok(match said {
        Said::Null => false,
        Said::Text(now) if *kind != Kind::Json => now.as_bytes() == text,
        _ => {
            // Given once more and read back: what comes out equal was not changed.
            let again = to_script(ctx, text, kind)?;
            from_script(ctx, &again)?.is_some_and(|before| match (&before, said) {
                (Said::Number(a), Said::Number(b)) => a == b || (a.is_nan() && b.is_nan()),
                (before, said) => before == said,
            })
        }
    })
}

/// The text of a changed value in a cell of that kind; `None` when the kind cannot hold it, and the
/// column has to take the value's own.
pub(super) fn in_kind(said: &Said, kind: &Kind) -> Option<String> {
    Some(match (kind, said) {
        (Kind::Json, Said::Bool(holds)) => holds.to_string(),
        (Kind::Json, Said::Number(number)) => {
            return serde_json::Number::from_f64(*number).map(|_| decimal(*number));
        }
        (Kind::Json, Said::Whole(digits)) => digits.clone(),
        (Kind::Json, Said::Text(text)) => serde_json::Value::String(text.clone()).to_string(),
        (Kind::Json, Said::Json(json)) => json.clone(),
        (Kind::Bool, Said::Bool(holds)) => bool_text(*holds),
        (Kind::Int16 | Kind::Int32 | Kind::Int64 | Kind::UInt64, said) => {
            let digits = match said {
                Said::Number(number) if number.fract() == 0.0 => decimal(*number),
                Said::Whole(digits) | Said::Text(digits) => digits.clone(),
                _ => return None,
            };
            let fits = match kind {
                Kind::Int16 => digits.parse::<i16>().is_ok_and(|it| it.to_string() == digits),
                Kind::Int32 => digits.parse::<i32>().is_ok_and(|it| it.to_string() == digits),
                Kind::Int64 => digits.parse::<i64>().is_ok_and(|it| it.to_string() == digits),
                _ => digits.parse::<u64>().is_ok_and(|it| it.to_string() == digits),
            };
            return fits.then_some(digits);
        }
        (Kind::Float32 | Kind::Float64, Said::Number(number)) => float(*number),
        (Kind::Decimal(_), Said::Number(number)) => float(*number),
        (Kind::Decimal(_), Said::Whole(digits)) => digits.clone(),
        (Kind::Decimal(_), Said::Text(text)) if is_decimal(text) => text.clone(),
        (Kind::Bool | Kind::Float32 | Kind::Float64 | Kind::Decimal(_), _) => return None,
        (_, Said::Text(text)) => text.clone(),
        _ => return None,
    })
}

/// The kind that a value brings by itself, its type's name, and its text.
pub(super) fn on_its_own(said: Said) -> Option<(Kind, &'static str, String)> {
    Some(match said {
        Said::Null => return None,
        Said::Bool(holds) => (Kind::Bool, "boolean", bool_text(holds)),
        Said::Number(number) => (Kind::Float64, "double precision", float(number)),
        Said::Whole(digits) => (Kind::Decimal(None), "numeric", digits),
        Said::Text(text) => (Kind::Text, "text", text),
        Said::Json(json) => (Kind::Json, "json", json),
    })
}

fn bool_text(holds: bool) -> String {
    if holds { "t" } else { "f" }.to_owned()
}

/// All digits, and no exponent.
fn decimal(number: f64) -> String {
    // There is one zero in a database.
    if number == 0.0 { "0".to_owned() } else { number.to_string() }
}

fn float(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        decimal(number)
    }
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let fine = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    fine(whole) && fine(fraction)
}

/// An object that is a row; `None` when the script says that there is none.
pub(super) fn row_of<'js>(value: Value<'js>) -> Result<Option<Object<'js>>, Trouble> {
    match value.type_of() {
        Type::Undefined | Type::Null => Ok(None),
        Type::Bool if value.as_bool() == Some(false) => Ok(None),
        Type::Object => Ok(value.into_object()),
        _ => Err(unusable("the script returned neither an object nor null, undefined or false")),
    }
}
