//! The list of connectors that the binary was built with. Filled by hand in one place.

use std::collections::BTreeMap;
use std::sync::Arc;

use flowglass_model::ErrorClass;

use crate::batch::{BatchSource, BatchTarget, SourceConnector, Surroundings, TargetConnector};
use crate::fault::Fault;
use crate::query::QueryEngine;
use crate::stream::{
    ProcessorConnector, StreamProcessor, StreamSink, StreamSinkConnector, StreamSource,
    StreamSourceConnector, Trial,
};

/// Connectors by the manifest's word for them.
#[derive(Default)]
pub struct Registry {
    sources: BTreeMap<&'static str, Box<dyn SourceConnector>>,
    targets: BTreeMap<&'static str, Box<dyn TargetConnector>>,
    engines: BTreeMap<&'static str, Arc<dyn QueryEngine>>,
    stream_sources: BTreeMap<&'static str, Box<dyn StreamSourceConnector>>,
    stream_sinks: BTreeMap<&'static str, Box<dyn StreamSinkConnector>>,
    processors: BTreeMap<&'static str, Box<dyn ProcessorConnector>>,
}

impl Registry {
    /// A registry without connectors.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a type of source; one of the same word is replaced.
    pub fn add_source(&mut self, connector: Box<dyn SourceConnector>) {
        self.sources.insert(connector.kind(), connector);
    }

    /// Adds a type of target; one of the same word is replaced.
    pub fn add_target(&mut self, connector: Box<dyn TargetConnector>) {
        self.targets.insert(connector.kind(), connector);
    }

    /// Adds a query engine; one of the same word is replaced.
    pub fn add_engine(&mut self, engine: Arc<dyn QueryEngine>) {
        self.engines.insert(engine.kind(), engine);
    }

    /// Adds a type of source of changes; one of the same word is replaced.
    pub fn add_stream_source(&mut self, connector: Box<dyn StreamSourceConnector>) {
        self.stream_sources.insert(connector.kind(), connector);
    }

    /// Adds a type of sink of changes; one of the same word is replaced.
    pub fn add_stream_sink(&mut self, connector: Box<dyn StreamSinkConnector>) {
        self.stream_sinks.insert(connector.kind(), connector);
    }

    /// Adds a type of processor; one of the same word is replaced.
    pub fn add_processor(&mut self, connector: Box<dyn ProcessorConnector>) {
        self.processors.insert(connector.kind(), connector);
    }

    /// The words of all processors. What stands beside them is the manifest's own.
    #[must_use]
    pub fn processor_kinds(&self) -> Vec<&'static str> {
        self.processors.keys().copied().collect()
    }

    /// Builds the processor that is called `id`.
    ///
    /// # Errors
    /// `config` when the type is unknown or its configuration cannot be used.
    pub fn processor(
        &self,
        kind: &str,
        id: &str,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Arc<dyn StreamProcessor>, Fault> {
        let Some(connector) = self.processors.get(kind) else {
            return Err(unknown("processor", kind));
        };
        connector.build(id, config, around)
    }

    /// The query engine of that word.
    ///
    /// # Errors
    /// `config` when this build has none.
    pub fn engine(&self, kind: &str) -> Result<Arc<dyn QueryEngine>, Fault> {
        self.engines.get(kind).map(Arc::clone).ok_or_else(|| unknown("query engine", kind))
    }

    /// The words of all query engines.
    #[must_use]
    pub fn engine_kinds(&self) -> Vec<String> {
        self.engines.keys().map(|kind| (*kind).to_owned()).collect()
    }

    /// The JSON Schemas of all source configurations.
    #[must_use]
    pub fn source_schemas(&self) -> BTreeMap<String, serde_json::Value> {
        self.sources.iter().map(|(kind, it)| ((*kind).to_owned(), it.schema())).collect()
    }

    /// The JSON Schemas of all target configurations.
    #[must_use]
    pub fn target_schemas(&self) -> BTreeMap<String, serde_json::Value> {
        self.targets.iter().map(|(kind, it)| ((*kind).to_owned(), it.schema())).collect()
    }

    /// The JSON Schemas of all configurations of sources of changes.
    #[must_use]
    pub fn stream_source_schemas(&self) -> BTreeMap<String, serde_json::Value> {
        self.stream_sources.iter().map(|(kind, it)| ((*kind).to_owned(), it.schema())).collect()
    }

    /// The JSON Schemas of all configurations of sinks of changes.
    #[must_use]
    pub fn stream_sink_schemas(&self) -> BTreeMap<String, serde_json::Value> {
        self.stream_sinks.iter().map(|(kind, it)| ((*kind).to_owned(), it.schema())).collect()
    }

    /// Builds a source of changes.
    ///
    /// # Errors
    /// `config` when the type is unknown or its configuration cannot be used.
    pub fn stream_source(
        &self,
        kind: &str,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Arc<dyn StreamSource>, Fault> {
        let Some(connector) = self.stream_sources.get(kind) else {
            return Err(unknown("stream source", kind));
        };
        connector.build(config, around)
    }

    /// Builds a sink of changes for the stream of that name.
    ///
    /// # Errors
    /// `config` when the type is unknown or its configuration cannot be used.
    pub fn stream_sink(
        &self,
        kind: &str,
        stream: &str,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Arc<dyn StreamSink>, Fault> {
        let Some(connector) = self.stream_sinks.get(kind) else {
            return Err(unknown("stream sink", kind));
        };
        connector.build(stream, config, around)
    }

    /// Builds a sink of changes to be measured, with places of its own that are named after `name`;
    /// none where the type cannot be tried.
    ///
    /// # Errors
    /// `config` when the type is unknown or its configuration cannot be used.
    pub fn stream_sink_trial(
        &self,
        kind: &str,
        name: &str,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Option<Trial>, Fault> {
        let Some(connector) = self.stream_sinks.get(kind) else {
            return Err(unknown("stream sink", kind));
        };
        connector.trial(name, config, around)
    }

    /// Builds a source.
    ///
    /// # Errors
    /// `config` when the type is unknown or its configuration cannot be used.
    pub fn source(
        &self,
        kind: &str,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Arc<dyn BatchSource>, Fault> {
        let Some(connector) = self.sources.get(kind) else {
            return Err(unknown("source", kind));
        };
        connector.build(config, around)
    }

    /// Builds a target.
    ///
    /// # Errors
    /// `config` when the type is unknown or its configuration cannot be used.
    pub fn target(
        &self,
        kind: &str,
        config: serde_json::Value,
        around: &Surroundings,
    ) -> Result<Arc<dyn BatchTarget>, Fault> {
        let Some(connector) = self.targets.get(kind) else {
            return Err(unknown("target", kind));
        };
        connector.build(config, around)
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("sources", &self.sources.keys())
            .field("targets", &self.targets.keys())
            .field("stream_sources", &self.stream_sources.keys())
            .field("stream_sinks", &self.stream_sinks.keys())
            .field("processors", &self.processors.keys())
            .finish()
    }
}

fn unknown(role: &str, kind: &str) -> Fault {
    Fault::new(ErrorClass::Config, format!("this build has no {role} `{kind}`"))
}
