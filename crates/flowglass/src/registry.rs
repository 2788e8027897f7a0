//! The connectors of this build: an explicit list, in the only place that knows all of them.

use std::sync::Arc;

use flowglass_connect::Registry;

/// Memory that one query may use before it spills to the scratch folder.
const QUERY_MEMORY_MAX_BYTES: usize = 192 << 20;

/// Every connector and query engine.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.add_source(Box::new(flowglass_sources::csv::Connector));
    registry.add_source(Box::new(flowglass_sources::jsonl::Connector));
    registry.add_source(Box::new(flowglass_sources::parquet::Connector));
    registry.add_source(Box::new(flowglass_sources::postgres::Connector));
    registry.add_source(Box::new(flowglass_sources::sqlite::Connector));
    registry.add_target(Box::new(flowglass_sinks::csv::Connector));
    registry.add_target(Box::new(flowglass_sinks::jsonl::Connector));
    registry.add_target(Box::new(flowglass_sinks::parquet::Connector));
    registry.add_target(Box::new(flowglass_sinks::postgres::Connector));
    registry.add_target(Box::new(flowglass_sinks::sqlite::Connector));
    registry.add_stream_source(Box::new(flowglass_sources::generator::Connector));
    registry.add_stream_source(Box::new(flowglass_sources::postgres::cdc::StreamConnector));
    registry.add_stream_source(Box::new(flowglass_sources::tail::Connector));
    registry.add_stream_sink(Box::new(flowglass_sinks::folder::Connector));
    registry.add_stream_sink(Box::new(flowglass_sinks::http::Connector));
    registry.add_stream_sink(Box::new(flowglass_sinks::kafka::Connector));
    registry.add_stream_sink(Box::new(flowglass_sinks::null::Connector));
    registry.add_stream_sink(Box::new(flowglass_sinks::postgres::StreamConnector));
    registry.add_stream_sink(Box::new(flowglass_sinks::redis::Connector));
    registry.add_stream_sink(Box::new(flowglass_sinks::sqlite::StreamConnector));
    registry.add_stream_sink(Box::new(flowglass_sinks::stdout::Connector::new(Box::new(
        std::io::stdout(),
    ))));
    registry.add_processor(Box::new(flowglass_processors::filter::Connector));
    registry.add_processor(Box::new(flowglass_processors::flatten::Connector));
    registry.add_processor(Box::new(flowglass_processors::javascript::Connector));
    registry.add_processor(Box::new(flowglass_processors::mask::Connector));
    registry.add_processor(Box::new(flowglass_processors::outbox::Connector));
    registry.add_processor(Box::new(flowglass_processors::project::Connector));
    registry.add_processor(Box::new(flowglass_processors::rename::Connector));
    registry.add_engine(Arc::new(flowglass_query::DataFusion::new(QUERY_MEMORY_MAX_BYTES)));
    registry
}
