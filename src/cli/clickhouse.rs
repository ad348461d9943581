//! `ebbtide clickhouse`: an embedded ClickHouse to play with.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::demo::{Database, Library, N_TRACES, create_sample, start};
use super::{Context, Exit, Output, progress};
use crate::embedded::EmbeddedOptions;

/// The port in the sample config.yml.
const USUAL_PORT: u16 = 8123;
/// How often the server is asked whether it is still there.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Keep an embedded ClickHouse running, to play with, until Ctrl-C.
#[derive(Debug, Args)]
pub struct Clickhouse {
    /// Where its data are kept; without it they are in a temporary directory and go with it.
    #[arg(long, value_name = "DIR")]
    pub path: Option<PathBuf>,
    /// The port for HTTP; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = USUAL_PORT)]
    pub http_port: u16,
    /// The port for the native protocol; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub tcp_port: u16,
    /// Create the sample data of the demo, unless they are there already.
    #[arg(long)]
    pub sample: bool,
    /// Where ClickHouse comes from.
    #[command(flatten)]
    pub library: Library,
}

pub(super) async fn run(
    args: &Clickhouse,
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    for (option, port) in [
        ("--http-port", args.http_port),
        ("--tcp-port", args.tcp_port),
    ] {
        check_port(option, port)?;
    }
    let library = args.library.ensure(context.format).await?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let why = tokio::select! {
        ended = keep(args, library, context, output) => return ended.map(|()| Exit::Done),
        _ = interrupt.recv() => "interrupted",
        _ = terminate.recv() => "terminated",
    };
    // The server was dropped, and with that ended, before this is said.
    progress::say(&format!("{why}: ClickHouse has ended"));
    Ok(Exit::Done)
}

/// Runs until it is dropped; returns only if the server ends by itself.
async fn keep(
    args: &Clickhouse,
    library: PathBuf,
    context: &Context,
    output: &mut Output,
) -> anyhow::Result<()> {
    let mut options = EmbeddedOptions::new(library);
    options.directory.clone_from(&args.path);
    options.http_port = args.http_port;
    options.tcp_port = args.tcp_port;
    let embedded = start(options).await?;
    let database = Database::new(&embedded.url());
    let version = database.version().await?;
    if args.sample {
        fill(&database, context).await?;
    }
    let directory = embedded.directory().to_owned();
    let running = json!({
        "url": embedded.url(),
        "http_port": embedded.http_port(),
        "tcp_port": embedded.tcp_port(),
        "directory": directory,
        "version": version,
        "sample": args.sample,
    });
    output.result(&running, |_| {
        let mut text = format!(
            "ClickHouse {version} answers at {} (native protocol: 127.0.0.1:{})\n",
            embedded.url(),
            embedded.tcp_port()
        );
        text.push_str(&match &args.path {
            Some(_) => format!("its data are in {}\n", directory.display()),
            None => "its data go when it ends; --path DIR keeps them\n".into(),
        });
        text.push_str(&what_to_try(args.sample, embedded.http_port()));
        text
    })?;
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        database.version().await.with_context(|| {
            format!(
                "ClickHouse ended by itself; its logs are in {}",
                directory.display()
            )
        })?;
    }
}

async fn fill(database: &Database, context: &Context) -> anyhow::Result<()> {
    let existing = database.existing().await?;
    if existing.n_tables > 0 {
        if existing.n_tables < 6 || existing.n_filled < 6 {
            bail!(
                "the directory holds only a part of the sample data; name a new one with --path, \
                 or leave --sample out"
            );
        }
        progress::say("the sample data are there already; they are left as they are");
        return Ok(());
    }
    create_sample(database, context.now(), N_TRACES, context.format).await
}

fn what_to_try(sample: bool, port: u16) -> String {
    let query = if sample {
        "SELECT workspace_id, count() FROM traces GROUP BY 1 ORDER BY 2 DESC LIMIT 5"
    } else {
        "SELECT version()"
    };
    let mut text = format!("\n  curl http://127.0.0.1:{port}/ --data-binary '{query}'\n");
    if sample {
        text.push_str(
            "\nThe sample config.yml fits it. In another terminal, where config.yml is:\n\n\
             \x20 ebbtide migrate\n\
             \x20 ebbtide workspaces import fixtures/workspaces.csv\n\
             \x20 ebbtide rules import fixtures/rules.yml\n\
             \x20 ebbtide plan --out plan.json\n\
             \x20 ebbtide explain --workspace acme-017\n\
             \x20 ebbtide apply plan.json\n",
        );
        if port != USUAL_PORT {
            text.push_str(&format!(
                "\nFirst write {port} instead of {USUAL_PORT} into clickhouse.shards there.\n"
            ));
        }
    }
    text.push_str("\nCtrl-C ends it.");
    text
}

/// A taken port is better said before ClickHouse is fetched and started than in its log.
fn check_port(option: &str, port: u16) -> anyhow::Result<()> {
    if port == 0 {
        return Ok(());
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .map(drop)
        .with_context(|| {
            format!("port {port} on 127.0.0.1 cannot be used; name another with {option}, or 0 for a free one")
        })
}
