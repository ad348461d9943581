//! `ebbtide serve`: the sidecar.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Context, Exit, context};
use crate::config::Config;
use crate::http::{self, App};
use crate::ledger::{Ledger, open_ledger};
use crate::schedule::{Reloader, Sidecar, Stop};
use crate::telemetry::{Metrics, start_logging};

/// Signals that come within this long are one.
const SAME_SIGNAL: Duration = Duration::from_millis(200);

/// The sidecar: plans and applies the slots of each day, and answers the API.
///
/// SIGTERM and SIGINT end it after the statement that runs; a second one ends it at once. SIGHUP
/// reads the configuration again.
#[derive(Debug, Args)]
pub struct Serve {
    /// Create the ledger's schema, or bring it up to date, before anything else.
    #[arg(long)]
    pub migrate: bool,
}

pub(super) async fn run(args: &Serve, context: &Context, verbose: u8) -> anyhow::Result<Exit> {
    let config = Config::load(context.path())?;
    let logging = start_logging(config.log_format, &config.traces, verbose)?;
    // Before anything else: a signal that comes now must not kill what has begun.
    let signals = Signals::new().context("cannot listen to signals")?;
    let instance = context::instance();
    let database = config.ledger.clone();
    let password = Arc::new(move || database.password_now());
    let ledger = open_ledger(&config.ledger.url, password)?;
    let metrics = Metrics::new()?;
    let listeners = Listeners::bind(&config)?;
    announce(&config, &instance, &listeners)?;
    let mut sidecar = Sidecar::new(
        &instance,
        config.clone(),
        Arc::clone(&ledger),
        Arc::clone(&context.clock),
        metrics.clone(),
    )?;
    let app = app(&sidecar, &ledger, metrics);
    let stop = Stop::default();
    let signals =
        tokio::spawn(signals.obey(sidecar.reloader(), context.path().to_owned(), stop.clone()));
    let end = CancellationToken::new();
    let mut api = tokio::spawn(listeners.serve(app, config, end.clone()));
    let mut work = tokio::spawn({
        let stop = stop.clone();
        let migrate = args.migrate;
        async move {
            if migrate {
                sidecar.migrate(&stop).await;
            }
            Box::pin(sidecar.run(&stop)).await;
        }
    });
    let ended = tokio::select! {
        ended = &mut work => ended.context("the loop of the sidecar").map(|()| None),
        // The API ends by itself only if it cannot go on; the statement that runs still can.
        failed = &mut api => {
            stop.after_the_statement();
            let ended = (&mut work).await.context("the loop of the sidecar");
            ended.map(|()| Some(failed))
        }
    };
    end.cancel();
    let answered = match ended? {
        Some(answered) => answered,
        None => api.await,
    };
    signals.abort();
    answered.context("the API")?.context("the API")?;
    tracing::info!(instance, "ended");
    logging.end();
    Ok(Exit::Done)
}

fn announce(config: &Config, instance: &str, listeners: &Listeners) -> std::io::Result<()> {
    for key in &config.without_effect {
        tracing::warn!(key, "is set, but has no effect in this version or build");
    }
    tracing::info!(
        instance,
        version = env!("CARGO_PKG_VERSION"),
        enabled = config.enabled,
        n_shards = config.shards.len(),
        n_targets = config.targets.len(),
        n_tokens = config.api.tokens.len(),
        // With port 0 the system chose one.
        listen = %listeners.api.local_addr()?,
        metrics_listen = listeners.metrics.as_ref().map(TcpListener::local_addr).transpose()?.map(|address| address.to_string()),
        "started"
    );
    if !config.enabled {
        tracing::warn!("retention.enabled is false: this instance plans, and deletes nothing");
    }
    Ok(())
}

fn app(sidecar: &Sidecar, ledger: &Arc<dyn Ledger>, metrics: Metrics) -> App {
    let rendered = metrics.clone();
    App {
        live: sidecar.live(),
        ledger: Arc::clone(ledger),
        status: sidecar.status(),
        wake: sidecar.wake(),
        metrics: Arc::new(move || rendered.render()),
        observer: Arc::new(move |answered| {
            metrics.request(
                answered.route,
                answered.method,
                answered.status,
                answered.duration,
            );
        }),
    }
}

/// The sockets, bound before anything is begun.
struct Listeners {
    api: TcpListener,
    metrics: Option<TcpListener>,
}

impl Listeners {
    fn bind(config: &Config) -> anyhow::Result<Self> {
        let bind = |key: &str, address| {
            TcpListener::bind(address).with_context(|| {
                format!("{key}: cannot listen at {address}; is another instance running there?")
            })
        };
        let metrics = config.api.metrics_listen;
        Ok(Self {
            api: bind("api.listen", config.api.listen)?,
            metrics: metrics
                .map(|address| bind("api.metrics_listen", address))
                .transpose()?,
        })
    }

    /// Answers until the end.
    async fn serve(self, app: App, config: Config, end: CancellationToken) -> std::io::Result<()> {
        let _ends_the_other = end.clone().drop_guard();
        let metrics: Option<JoinHandle<_>> = self
            .metrics
            .map(|listener| tokio::spawn(http::serve_metrics(app.clone(), listener, end.clone())));
        let served = http::serve(app, self.api, config.api.tls.as_ref(), end.clone()).await;
        end.cancel();
        if let Some(metrics) = metrics {
            metrics.await.map_err(std::io::Error::other)??;
        }
        served
    }
}

/// The signals that the sidecar obeys.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next signal to end, by its number.
    async fn next_end(&mut self) -> i32 {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate().as_raw_value(),
            _ = self.interrupt.recv() => SignalKind::interrupt().as_raw_value(),
        }
    }

    async fn obey(mut self, reloader: Reloader, path: impl AsRef<Path>, stop: Stop) {
        let number = loop {
            tokio::select! {
                _ = self.hangup.recv() => {
                    // What is wrong with it has been logged, counted and shown.
                    drop(reloader.reload(path.as_ref()));
                }
                _ = self.terminate.recv() => break SignalKind::terminate().as_raw_value(),
                _ = self.interrupt.recv() => break SignalKind::interrupt().as_raw_value(),
            }
        };
        let patience = reloader.shutdown_timeout();
        tracing::info!(
            signal = number,
            patience_s = patience.as_secs(),
            "ending after the statement that runs; a second signal ends at once"
        );
        stop.after_the_statement();
        end_within(patience + Stop::GRACE);
        // Some that run us send it twice, to the process and to its group.
        let twice = tokio::time::timeout(SAME_SIGNAL, self.next_end()).await;
        drop(twice);
        let second = tokio::time::timeout(patience, self.next_end()).await;
        let number = if let Ok(number) = second {
            number
        } else {
            tracing::warn!(
                "the statement takes longer than serve.shutdown_timeout; the server goes on with \
                 it, and the next cycle looks what became of it"
            );
            stop.leave_the_statement();
            self.next_end().await
        };
        tracing::warn!(signal = number, "ended at once by a second signal");
        std::process::exit(128 + number);
    }
}

/// Ends the process after so long, whatever it waits for then: a thread of its own does not depend
/// on anything that may hang.
fn end_within(length: Duration) {
    let ends = std::thread::Builder::new()
        .name("end".into())
        .spawn(move || {
            std::thread::sleep(length);
            tracing::warn!(
                "something does not answer; ended all the same, the lease ends by itself"
            );
            std::process::exit(0);
        });
    if let Err(error) = ends {
        tracing::warn!(%error, "nothing ends the process if something hangs");
    }
}
