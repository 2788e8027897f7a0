//! `+`, `-` and `*` of integers that say when they leave their type.
//!
//! DataFusion wraps around silently. A pipeline must not: a wrong total looks like a right one. An
//! analyzer rule, run after types are settled, puts a checked function in the operator's place.

use std::sync::Arc;

use arrow::compute::kernels::numeric;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ExprSchema, internal_err};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ReturnFieldArgs,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_expr_common::datum::apply;

/// One checked operator on integers.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Checked {
    operator: Operator,
    signature: Signature,
}

impl Checked {
    /// The rule that brings the checked operators into a plan.
    pub(crate) fn rule() -> impl AnalyzerRule + Send + Sync {
        Rule {
            plus: Arc::new(Self::function(Operator::Plus)),
            minus: Arc::new(Self::function(Operator::Minus)),
            times: Arc::new(Self::function(Operator::Multiply)),
        }
    }

    fn function(operator: Operator) -> ScalarUDF {
        ScalarUDF::new_from_impl(Self {
            operator,
            signature: Signature::any(2, Volatility::Immutable),
        })
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        match self.operator {
            Operator::Plus => "checked_add",
            Operator::Minus => "checked_subtract",
            _ => "checked_multiply",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> DfResult<DataType> {
        match types {
            [left, right] if left == right => Ok(left.clone()),
            _ => internal_err!("checked arithmetic of two types"),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> DfResult<FieldRef> {
        let types: Vec<_> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.return_type(&types)?, nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let [left, right] = args.args.as_slice() else {
            return internal_err!("checked arithmetic takes two values");
        };
        match self.operator {
            Operator::Plus => apply(left, right, numeric::add),
            Operator::Minus => apply(left, right, numeric::sub),
            _ => apply(left, right, numeric::mul),
        }
    }
}

#[derive(Debug)]
struct Rule {
    plus: Arc<ScalarUDF>,
    minus: Arc<ScalarUDF>,
    times: Arc<ScalarUDF>,
}

impl Rule {
    fn checked(&self, expr: Expr, schema: &dyn ExprSchema) -> DfResult<Transformed<Expr>> {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else {
            return Ok(Transformed::no(expr));
        };
        let function = match op {
            Operator::Plus => Some(&self.plus),
            Operator::Minus => Some(&self.minus),
            Operator::Multiply => Some(&self.times),
            _ => None,
        };
        if let Some(function) = function {
            let types = (left.get_type(schema)?, right.get_type(schema)?);
            if types.0.is_integer() && types.0 == types.1 {
                let call = ScalarFunction::new_udf(Arc::clone(function), vec![*left, *right]);
                return Ok(Transformed::yes(Expr::ScalarFunction(call)));
            }
        }
        Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })))
    }

    fn plan(&self, plan: LogicalPlan) -> DfResult<Transformed<LogicalPlan>> {
        let schema: DFSchema = merge_schema(&plan.inputs());
        let names = NamePreserver::new(&plan);
        let mapped = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let checked = expr.transform_up(|expr| self.checked(expr, &schema))?;
            Ok(checked.update_data(|expr| name.restore(expr)))
        })?;
        mapped.map_data(LogicalPlan::recompute_schema)
    }
}

impl AnalyzerRule for Rule {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> DfResult<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| self.plan(plan)).map(|done| done.data)
    }

    fn name(&self) -> &str {
        "checked_arithmetic"
    }
}
