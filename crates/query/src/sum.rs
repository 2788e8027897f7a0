//! `sum` that says when its result leaves its type.
//!
//! DataFusion's own `sum` wraps around silently. This one gathers integers in 128 bits and wide
//! decimals in 256, through DataFusion's own accumulators for those types, and narrows the result
//! with a check. Other types go straight through.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, Field, FieldRef,
};
use arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::functions_aggregate::sum::Sum;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, Signature,
};

/// The aggregate function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ExactSum {
    inner: Sum,
}

impl ExactSum {
    /// The function.
    pub(crate) fn new() -> Self {
        Self { inner: Sum::new() }
    }
}

/// The type to gather a result in, where its own could wrap.
fn wide(result: &DataType) -> Option<DataType> {
    match result {
        DataType::Int64 | DataType::UInt64 => {
            Some(DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0))
        }
        // Below full precision a sum has ten digits to spare; rows enough to fill them do not exist.
        DataType::Decimal128(DECIMAL128_MAX_PRECISION, scale) => {
            Some(DataType::Decimal256(DECIMAL256_MAX_PRECISION, *scale))
        }
        _ => None,
    }
}

/// The same arguments with another result.
fn with_result<'a>(args: &AccumulatorArgs<'a>, kind: &DataType) -> AccumulatorArgs<'a> {
    AccumulatorArgs {
        return_field: Arc::new(Field::new(args.name, kind.clone(), true)),
        schema: args.schema,
        ignore_nulls: args.ignore_nulls,
        order_bys: args.order_bys,
        is_reversed: args.is_reversed,
        name: args.name,
        is_distinct: args.is_distinct,
        exprs: args.exprs,
        expr_fields: args.expr_fields,
    }
}

impl AggregateUDFImpl for ExactSum {
    fn name(&self) -> &str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        self.inner.return_type(types)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> DfResult<Box<dyn Accumulator>> {
        match wide(args.return_field.data_type()) {
            // Distinct values are kept in a set of their own type and summed at the end.
            Some(kind) if !args.is_distinct => {
                let cast = Narrowing::new(&kind, args.return_field.data_type());
                Ok(Box::new(One {
                    inner: self.inner.accumulator(with_result(&args, &kind))?,
                    cast,
                }))
            }
            _ => self.inner.accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> DfResult<Vec<FieldRef>> {
        match wide(args.return_field.data_type()) {
            Some(kind) if !args.is_distinct => {
                Ok(vec![Arc::new(Field::new(format_state_name(args.name, "sum"), kind, true))])
            }
            _ => self.inner.state_fields(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> DfResult<Box<dyn GroupsAccumulator>> {
        match wide(args.return_field.data_type()) {
            Some(kind) => {
                let cast = Narrowing::new(&kind, args.return_field.data_type());
                let inner = self.inner.create_groups_accumulator(with_result(&args, &kind))?;
                Ok(Box::new(Groups { inner, cast }))
            }
            None => self.inner.create_groups_accumulator(args),
        }
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> DfResult<Box<dyn Accumulator>> {
        match wide(args.return_field.data_type()) {
            Some(kind) if !args.is_distinct => {
                let cast = Narrowing::new(&kind, args.return_field.data_type());
                let inner = self.inner.create_sliding_accumulator(with_result(&args, &kind))?;
                Ok(Box::new(One { inner, cast }))
            }
            _ => self.inner.create_sliding_accumulator(args),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }
}

/// Widens what goes in and narrows what comes out.
#[derive(Debug, Clone)]
struct Narrowing {
    wide: DataType,
    result: DataType,
}

impl Narrowing {
    fn new(wide: &DataType, result: &DataType) -> Self {
        Self { wide: wide.clone(), result: result.clone() }
    }

    fn widen(&self, values: &[ArrayRef]) -> DfResult<Vec<ArrayRef>> {
        values.iter().map(|values| strict(values, &self.wide)).collect()
    }

    fn narrow(&self, sums: &ArrayRef) -> DfResult<ArrayRef> {
        // The cast's own message holds the sum.
        strict(sums, &self.result)
            .map_err(|_sum| ArrowError::ArithmeticOverflow("a sum".to_owned()).into())
    }
}

fn strict(values: &ArrayRef, kind: &DataType) -> DfResult<ArrayRef> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(values, kind, &options).map_err(DataFusionError::from)
}

/// The sum of one group.
#[derive(Debug)]
struct One {
    inner: Box<dyn Accumulator>,
    cast: Narrowing,
}

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        self.inner.update_batch(&self.cast.widen(values)?)
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        let sum = self.inner.evaluate()?.to_array()?;
        ScalarValue::try_from_array(&self.cast.narrow(&sum)?, 0)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.inner.size()
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        self.inner.merge_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        self.inner.retract_batch(&self.cast.widen(values)?)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }
}

/// The sums of many groups.
struct Groups {
    inner: Box<dyn GroupsAccumulator>,
    cast: Narrowing,
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> DfResult<()> {
        let values = self.cast.widen(values)?;
        self.inner.update_batch(&values, group_indices, opt_filter, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> DfResult<ArrayRef> {
        let sums = self.inner.evaluate(emit_to)?;
        self.cast.narrow(&sums)
    }

    fn state(&mut self, emit_to: EmitTo) -> DfResult<Vec<ArrayRef>> {
        self.inner.state(emit_to)
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> DfResult<()> {
        self.inner.merge_batch(values, group_indices, total_num_groups)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> DfResult<Vec<ArrayRef>> {
        self.inner.convert_to_state(&self.cast.widen(values)?, opt_filter)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }
}
