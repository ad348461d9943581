//! The log of the sidecar: JSON for machines, text for a terminal.

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{LogFormat, TraceExport};

/// The log that was started. What is still on its way to a collector is sent when it ends.
#[must_use = "traces are sent when this is ended"]
#[derive(Debug)]
pub struct Logging {
    #[cfg(feature = "otel")]
    traces: Option<super::otel::Traces>,
}

/// Starts the log of the process on stderr, and traces to a collector where that is asked for and
/// built in. `verbose` says more: 1 for more of Ebbtide, 2 for more of everything.
///
/// # Errors
/// Something else in this process logs already.
pub fn start_logging(
    format: LogFormat,
    traces: &TraceExport,
    verbose: u8,
) -> Result<Logging, TryInitError> {
    let level = match verbose {
        0 => "ebbtide=info,warn",
        1 => "ebbtide=debug,info",
        _ => "ebbtide=trace,debug",
    };
    let is_json = match format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    // A span is for traces; each event of the log stands by itself.
    let lines: Box<dyn Layer<Registry> + Send + Sync> = if is_json {
        fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_writer(std::io::stderr)
            .boxed()
    } else {
        fmt::layer().with_writer(std::io::stderr).boxed()
    };
    let lines = lines.with_filter(EnvFilter::new(level));
    #[cfg(feature = "otel")]
    {
        let exporter = super::otel::Traces::start(traces);
        let (exporter, problem) = match exporter {
            Ok(exporter) => (exporter, None),
            Err(error) => (None, Some(error)),
        };
        let spans = exporter.as_ref().map(super::otel::Traces::layer);
        tracing_subscriber::registry()
            .with(lines)
            .with(spans)
            .try_init()?;
        if let Some(error) = problem {
            tracing::error!(%error, "traces are not exported");
        }
        Ok(Logging { traces: exporter })
    }
    #[cfg(not(feature = "otel"))]
    {
        // Without the feature there is nobody to send them.
        let _ = traces;
        tracing_subscriber::registry().with(lines).try_init()?;
        Ok(Logging {})
    }
}

impl Logging {
    /// Sends what is left, for a bounded time.
    pub fn end(self) {
        #[cfg(feature = "otel")]
        if let Some(traces) = self.traces {
            traces.end();
        }
    }
}
