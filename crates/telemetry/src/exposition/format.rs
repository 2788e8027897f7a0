//! The formats and their content types.

/// A text format of a metrics page.
///
/// The protobuf format is not offered: it carries native histograms, which the catalog does not
/// have, and nothing else that OpenMetrics lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// Prometheus text 0.0.4, which every scraper reads.
    #[default]
    Text004,
    /// Prometheus text 1.0.0: 0.0.4 with a word on how names are escaped. Ours never need it.
    Text100 {
        /// The scraper takes any UTF-8 name; said back to it.
        utf8: bool,
    },
    /// The draft of OpenMetrics that Prometheus before 2.50 asks for. Pages are the same.
    OpenMetrics001,
    /// OpenMetrics 1.0.0.
    OpenMetrics100 {
        /// The scraper takes any UTF-8 name; said back to it.
        utf8: bool,
    },
}

impl Format {
    /// The value of the `Content-Type` header.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text004 => "text/plain; version=0.0.4; charset=utf-8",
            Self::Text100 { utf8: true } => {
                "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
            }
            Self::Text100 { utf8: false } => {
                "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"
            }
            Self::OpenMetrics001 => "application/openmetrics-text; version=0.0.1; charset=utf-8",
            Self::OpenMetrics100 { utf8: true } => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
            }
            Self::OpenMetrics100 { utf8: false } => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
            }
        }
    }

    /// True for both versions of OpenMetrics, whose pages differ from the older text in family
    /// names, exemplars and the end.
    #[must_use]
    pub const fn is_openmetrics(self) -> bool {
        matches!(self, Self::OpenMetrics001 | Self::OpenMetrics100 { .. })
    }
}
