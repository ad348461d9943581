//! Readers: somebody opens traces, and somebody looks at a chart, all the time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clickhouse::Client;
use tokio_util::sync::CancellationToken;

use crate::data::{DAY_MS, MIDNIGHT_MS, N_DAYS, N_WORKSPACES, Pristine, workspace};
use crate::server::Server;
use crate::situation::Due;

/// Between two traces that are opened, and between two charts.
const TRACE_PAUSE: Duration = Duration::from_millis(20);
const CHART_PAUSE: Duration = Duration::from_secs(2);

/// A trace that somebody opens.
#[derive(Debug, Clone, clickhouse::Row, serde::Deserialize)]
struct Key {
    workspace: String,
    project: String,
    trace: String,
}

/// Milliseconds that reads took.
#[derive(Debug, Clone, Default)]
pub struct Reads {
    pub traces: Vec<f64>,
    pub charts: Vec<f64>,
}

impl Reads {
    pub fn extend(&mut self, more: &Self) {
        self.traces.extend(&more.traces);
        self.charts.extend(&more.charts);
    }
}

#[derive(Clone)]
pub struct Reader {
    client: Client,
    keys: Arc<Vec<Key>>,
}

impl Reader {
    /// Readers of spans that no way deletes: half of them young, and half, where the rows due stand among
    /// others that stay, next to these.
    pub async fn of(server: &Server, pristine: &Pristine, due: &[Due]) -> Self {
        let recent_ms = MIDNIGHT_MS - 10 * DAY_MS;
        let mut chosen = keys(server, pristine, [recent_ms, MIDNIGHT_MS], &[]).await;
        let stay: Vec<String> = (0..N_WORKSPACES)
            .filter(|number| due.iter().all(|due| due.number != *number))
            .map(workspace)
            .collect();
        if !stay.is_empty() {
            let oldest_ms = MIDNIGHT_MS - N_DAYS * DAY_MS;
            let old = keys(server, pristine, [oldest_ms, due[0].below_ms()], &stay).await;
            chosen = chosen
                .into_iter()
                .zip(old)
                .flat_map(|(young, old)| [young, old])
                .collect();
        }
        assert!(!chosen.is_empty());
        Self {
            client: server.client().with_setting("log_comment", "reader"),
            keys: Arc::new(chosen),
        }
    }

    /// Reads for a while, when nothing else happens.
    pub async fn idle(&self, table: &str, length: Duration) -> Reads {
        if length.is_zero() {
            return Reads::default();
        }
        let stop = CancellationToken::new();
        let reading = self.start(table, &stop);
        tokio::time::sleep(length).await;
        stop.cancel();
        reading.await.unwrap()
    }

    /// Reads until it is told to stop.
    pub fn start(&self, table: &str, stop: &CancellationToken) -> tokio::task::JoinHandle<Reads> {
        let (this, table, stop) = (self.clone(), table.to_owned(), stop.clone());
        tokio::spawn(async move {
            let (traces, charts) =
                tokio::join!(this.traces(&table, &stop), this.charts(&table, &stop));
            Reads { traces, charts }
        })
    }

    async fn traces(&self, table: &str, stop: &CancellationToken) -> Vec<f64> {
        let mut took = Vec::new();
        for key in self.keys.iter().cycle() {
            let query = self.client.query_raw(include_str!("sql/open_trace.sql"));
            let query = query
                .param("table", table)
                .param("workspace", &key.workspace)
                .param("project", &key.project)
                .param("trace", &key.trace);
            let began_at = Instant::now();
            query.execute().await.unwrap();
            took.push(began_at.elapsed().as_secs_f64() * 1_000.0);
            if pause(TRACE_PAUSE, stop).await {
                break;
            }
        }
        took
    }

    async fn charts(&self, table: &str, stop: &CancellationToken) -> Vec<f64> {
        let mut took = Vec::new();
        loop {
            let query = self.client.query_raw(include_str!("sql/scan.sql"));
            let began_at = Instant::now();
            query.param("table", table).execute().await.unwrap();
            took.push(began_at.elapsed().as_secs_f64() * 1_000.0);
            if pause(CHART_PAUSE, stop).await {
                return took;
            }
        }
    }
}

/// Some traces that began in an interval, of some workspaces or of all.
async fn keys(
    server: &Server,
    pristine: &Pristine,
    [from_ms, below_ms]: [i64; 2],
    workspaces: &[String],
) -> Vec<Key> {
    let query = server.query(include_str!("sql/keys.sql"));
    let query = query
        .param("table", &pristine.table)
        .param("from", ebbtide::smallest_id(from_ms).to_string())
        .param("below", ebbtide::smallest_id(below_ms).to_string())
        .param("workspaces", workspaces);
    query.fetch_all::<Key>().await.unwrap()
}

/// Whether it is time to stop.
async fn pause(length: Duration, stop: &CancellationToken) -> bool {
    tokio::time::timeout(length, stop.cancelled()).await.is_ok()
}
