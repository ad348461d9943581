//! Traces over OpenTelemetry: a span each for a cycle, its plan, its steps and their statements.

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use crate::config::TraceExport;

/// How long the last spans may take when the process ends.
const LAST_SPANS: Duration = Duration::from_secs(3);

/// What sends spans to a collector, in a thread of its own.
#[derive(Debug)]
pub(super) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Nothing if no traces are asked for.
    pub(super) fn start(export: &TraceExport) -> Result<Option<Self>, ExporterBuildError> {
        let exporter = SpanExporter::builder().with_http();
        let exporter = match export {
            TraceExport::Off => return Ok(None),
            TraceExport::Environment => exporter,
            TraceExport::Endpoint(url) => {
                exporter.with_endpoint(format!("{}/v1/traces", url.trim_end_matches('/')))
            }
        };
        let provider = SdkTracerProvider::builder()
            .with_resource(Resource::builder().with_service_name("ebbtide").build())
            .with_batch_exporter(exporter.build()?)
            .build();
        Ok(Some(Self { provider }))
    }

    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'s> LookupSpan<'s>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("ebbtide"))
            // Our own spans only: what sends them makes spans as well.
            .with_filter(Targets::new().with_target("ebbtide", tracing::Level::INFO))
    }

    pub(super) fn end(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(LAST_SPANS) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}
